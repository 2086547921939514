"""Decode the transparency of WebM files, which FFmpeg's own VP8 and VP9 decoders leave out."""

import av

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def decoder_of(stream: av.VideoStream) -> av.VideoCodecContext:
    """Return the decoder for a stream: libvpx's where the file says that VP8 or VP9 has an alpha plane."""
    own = stream.codec_context
    says_alpha = any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())
    name = _WITH_ALPHA.get(own.name) if says_alpha else None
    if name is None or name not in av.codecs_available:
        return own
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.options = own.options  # among them the largest picture that is decoded
    decoder.width, decoder.height, decoder.thread_count = own.width, own.height, own.thread_count
    return decoder
