"""Where a data set's table lies, how it comes there, and how it is told from a damaged one."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

DIRECTORY_VARIABLE = "SKMTL_DATA"
MIRROR_VARIABLE = "SKMTL_DATA_URL"
TIMEOUT = 60


@dataclass(frozen=True)
class RemoteTable:
    """One table of a data set: its place in the cache, its fingerprint, and where it comes from.

    Attributes
    ----------
    path : str
        Place below a data folder: ``"adult/adult.csv.gz"``.
    sha256 : str
        Hash of the *uncompressed* CSV, so that neither the compression nor the form of the raw
        files matters.
    sources : tuple of tuple of str
        Alternatives; each lists the URLs of the raw files that `convert` takes. Empty: no public
        raw source is known.
    convert : callable or None
        From the raw files' bytes, in the order of the URLs, to the bytes of the uncompressed CSV.
    """

    path: str
    sha256: str
    sources: tuple[tuple[str, ...], ...] = ()
    convert: Callable[[list[bytes]], bytes] | None = None


def read_table(
    table: RemoteTable, data_home: str | os.PathLike[str] | None, download_if_missing: bool
) -> pd.DataFrame:
    """Read a table from the first folder that has it, else fetch it into the first folder of the
    search.

    Parameters
    ----------
    table : RemoteTable
        What to read.
    data_home : path-like or None
        Folder to look in first; then ``$SKMTL_DATA``, then ``~/skmtl_data``.
    download_if_missing : bool
        Whether to go to the network when no folder has the file.

    Returns
    -------
    DataFrame
        The table as it is written.

    Raises
    ------
    FileNotFoundError
        If the file is nowhere and could not, or must not, be fetched. The message lists every place
        that was tried.
    OSError
        If a file was found whose content is not the expected one.
    ImportError
        If a download is needed and pooch is not installed.
    """
    places = data_folders(data_home)
    for place in places:
        file = place / table.path
        if file.is_file():
            return parse_csv(
                unpack(
                    file.read_bytes(),
                    table,
                    f"The file {str(file)!r}",
                    "Delete it, so that it is looked for elsewhere or fetched again.",
                )
            )
    failures = ["download_if_missing=False forbids fetching it."]
    if download_if_missing:
        content, failures = fetch(table)
        if content is not None:
            write_atomically(places[0] / table.path, gzip.compress(content, mtime=0))
            return parse_csv(content)
    raise FileNotFoundError(
        f"The data file {table.path!r} was not found in "
        f"{', '.join(str(place) for place in places)}. {' '.join(failures)} "
        "Put the file into one of these folders, let the environment variable "
        f"{DIRECTORY_VARIABLE} name a folder that has it, "
        f"or let {MIRROR_VARIABLE} name a web address below which {table.path!r} is served."
    )


def data_folders(data_home: str | os.PathLike[str] | None) -> list[Path]:
    """Folders to look in, in order."""
    named = [data_home, os.environ.get(DIRECTORY_VARIABLE), Path("~") / "skmtl_data"]
    return [Path(folder).expanduser() for folder in named if folder]


def unpack(packed: bytes, table: RemoteTable, what: str, advice: str) -> bytes:
    """Uncompress and compare with the fingerprint."""
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{what} is not a complete gzip file ({error}). {advice}") from error
    return check_content(content, table, what, advice)


def check_content(content: bytes, table: RemoteTable, what: str, advice: str) -> bytes:
    """Return the content, or raise OSError if it is not the expected one."""
    found = hashlib.sha256(content).hexdigest()
    if found != table.sha256:
        raise OSError(
            f"{what} does not hold the expected table {table.path!r}: the sha256 of its "
            f"uncompressed content is {found}, not {table.sha256}. {advice}"
        )
    return content


def fetch(table: RemoteTable) -> tuple[bytes | None, list[str]]:
    """Fetch the uncompressed CSV from the mirror if one is named, else from the public sources; or
    say why not.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        url = f"{mirror.rstrip('/')}/{table.path}"
        try:
            return unpack(
                download(url), table, f"The download {url}", f"Check {MIRROR_VARIABLE}."
            ), []
        except OSError as error:
            return None, [f"{MIRROR_VARIABLE} is set, and fetching {url} failed: {error}"]
    if not table.sources or table.convert is None:
        return None, ["It has no public raw source that it could be rebuilt from."]
    failures = []
    for urls in table.sources:
        content, failure = rebuild(table.convert, urls, table)
        if content is not None:
            return content, []
        failures.append(failure)
    return None, failures


def rebuild(
    convert: Callable[[list[bytes]], bytes], urls: tuple[str, ...], table: RemoteTable
) -> tuple[bytes | None, str]:
    """Make the uncompressed CSV from one public source, or say why not."""
    what = ", ".join(urls)
    try:
        return check_content(
            convert([download(url) for url in urls]),
            table,
            f"The table made from {what}",
            "Its source has changed.",
        ), ""
    except (OSError, ValueError, LookupError) as error:
        return None, f"Fetching {what} failed: {error}"


def download(url: str) -> bytes:
    """Bytes behind a URL."""
    try:
        import pooch
    except ImportError:
        raise ImportError('Downloading a data set needs pooch: pip install "skmtl[data]"') from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "download"
        pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(file), None)
        return file.read_bytes()


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it, with the permissions that the umask asks for."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o666 & ~_umask())
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Permissions that new files of this process lack; mkstemp's files lack more."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def parse_csv(content: bytes) -> pd.DataFrame:
    """Read CSV bytes; the tables have no missing cells, so a cell such as "NA" is text."""
    return pd.read_csv(io.BytesIO(content), keep_default_na=False)


def to_csv(frame: pd.DataFrame, float_format: str | None = None) -> bytes:
    """Bytes of the canonical CSV: UTF-8, comma, newline, no index."""
    return frame.to_csv(index=False, lineterminator="\n", float_format=float_format).encode()
