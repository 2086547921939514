"""Pictures: decoded frames as they are meant to be seen, picture files and folders of pictures, JPEG."""
