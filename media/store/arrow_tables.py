"""Read Arrow tables from untrusted files: a table is checked as a whole before a value is read.

Arrow trusts its files: an offset that points out of its buffer is followed, and a compressed buffer is given the memory
that it claims. So a table is read batch by batch: its schema must be the store's, its buffers plain, and every offset,
length and character right. This costs 60 ns a row with text (a store's `videos`), 20 ns a row of a frames shard, where
pictures count by their offsets alone; shards are read in this way only to build an index that is not there.
"""

import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from framegate.media.errors import MediaError
from framegate.media.manifest.paths import stays_inside

# Numbers of fields in Arrow's Message and RecordBatch tables (format/Message.fbs).
_HEADER = 2
_ROWS, _COMPRESSION = 0, 3


def map_file(path: Path) -> pa.Buffer:
    """Map a plain file of a store into memory.

    Raises:
        MediaError: it is missing or unreadable, a pipe or a device, or a link out of its folder.
    """
    if not stays_inside(path, path.parent):
        raise MediaError(f"{path} is a link out of the store: put the file itself there, or a hard link (cp -al)")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise MediaError(f"{path} is no plain file")
            return pa.py_buffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) if facts.st_size else b"")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror or error}") from None


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a whole table without copying it; columns beyond ``schema`` come along.

    Raises:
        MediaError: as for `read_batches`.
    """
    batches = list(read_batches(map_file(path), path, schema))
    return pa.Table.from_batches(batches) if batches else schema.empty_table()


def read_batches(file: pa.Buffer, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Read the batches of an Arrow IPC stream, views into ``file``, each checked.

    Raises:
        MediaError: it is no whole stream, lacks a column of ``schema`` or has it in another type, is compressed, or
            refers to anything outside of itself.
    """
    with _plainly(path):
        messages = pa.ipc.MessageReader.open_stream(file)
        first = messages.read_next_message()
        if first.type != "schema":  # Arrow reads any message as a schema, and dies of some
            raise MediaError(f"{path} is no whole Arrow stream: it begins with a {first.type}")
        found = pa.ipc.read_schema(first)
        _check_schema(found, schema, path)
        for message in _record_batches(messages, path):
            batch = pa.ipc.read_record_batch(message, found)
            batch.validate(full=True)
            yield batch


def count_rows(file: pa.Buffer, path: Path) -> int:
    """Count the rows of an Arrow IPC stream by what its batches' headers claim.

    Raises:
        MediaError: as for `read_batches`; or the file is too small for so many rows.
    """
    with _plainly(path):
        messages = pa.ipc.MessageReader.open_stream(file)
        messages.read_next_message()
        rows = sum(_row_count(message.metadata) for message in _record_batches(messages, path))
    if not 0 <= rows <= file.size:
        raise MediaError(f"{path} is no whole Arrow stream: {rows} rows in {file.size} bytes")
    return rows


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, StopIteration, struct.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise MediaError(f"{path} is no whole Arrow stream: {reason}") from None


def _record_batches(messages: pa.ipc.MessageReader, path: Path) -> Iterator[pa.ipc.Message]:
    for message in messages:
        if message.type != "record batch":
            raise MediaError(f"{path} holds a {message.type}, which a store's tables do not: write it without")
        if _header_field(message.metadata, _COMPRESSION) is not None:
            raise MediaError(f"{path} is compressed, which a store's tables are not: write it without compression")
        yield message


def _check_schema(found: pa.Schema, wanted: pa.Schema, path: Path) -> None:
    for field in wanted:
        places = found.get_all_field_indices(field.name)
        if len(places) != 1:
            raise MediaError(f"{path}: {len(places)} columns {field.name!r} where there is one in a store")
        if (kind := found.field(places[0]).type) != field.type:
            raise MediaError(f"{path}: column {field.name!r} is {kind}, not {field.type}")


def _row_count(metadata: pa.Buffer) -> int:
    place = _header_field(metadata, _ROWS)
    return 0 if place is None else int(struct.unpack_from("<q", metadata, place)[0])


def _header_field(metadata: pa.Buffer, number: int) -> int | None:
    """Return the position of a field of a record batch's header in its message's flatbuffer; None if it is absent.

    pyarrow shows these fields only after it has read the batch, with all the memory that the batch claims.
    """
    data = memoryview(metadata)
    header = _field(data, _follow(data, 0), _HEADER)
    if header is None:
        raise struct.error("a message without a header")
    return _field(data, _follow(data, header), number)


def _follow(data: memoryview, place: int) -> int:
    return place + int(struct.unpack_from("<I", data, place)[0])


def _field(data: memoryview, table: int, number: int) -> int | None:
    """Return the position of field ``number`` of a flatbuffer's table; None if it is absent."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, fields)
    slot = 4 + 2 * number
    if slot + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", data, fields + slot)
    return table + offset if offset else None
