"""The one exception of the media library."""


class MediaError(Exception):
    """A store, a file or a call that cannot be served; the message is one clear line."""
