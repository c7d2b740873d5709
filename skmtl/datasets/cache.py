"""Cache of data set tables: search, download and verification."""

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
    """One table of a data set: path in the cache, hash, and sources.

    Attributes
    ----------
    path : str
        Path below a data folder: ``"adult/adult.csv.gz"``.
    sha256 : str
        Hash of the *uncompressed* CSV, which does not depend on the compression or on the format of
        the raw files.
    sources : tuple of tuple of str
        Alternative sources, each with the URLs of the raw files that `convert` takes. Empty if no
        public source of the raw files is known.
    convert : callable or None
        Function of the raw files' bytes, in the order of the URLs, that returns the bytes of the
        uncompressed CSV.
    """

    path: str
    sha256: str
    sources: tuple[tuple[str, ...], ...] = ()
    convert: Callable[[list[bytes]], bytes] | None = None


def read_table(
    table: RemoteTable, data_home: str | os.PathLike[str] | None, download_if_missing: bool
) -> pd.DataFrame:
    """Read a table from the first folder that has it, or download it into the first folder.

    Parameters
    ----------
    table : RemoteTable
        Table to read.
    data_home : path-like or None
        Folder to look in first; then ``$SKMTL_DATA``, then ``~/skmtl_data``.
    download_if_missing : bool
        Whether to download the file if no folder has it.

    Returns
    -------
    DataFrame
        The stored table.

    Raises
    ------
    FileNotFoundError
        If the file was not found and could not, or must not, be downloaded. The message lists the
        folders and sources that were tried.
    OSError
        If the content of the file is not as expected.
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
                    "Delete it, so that it is searched for elsewhere or downloaded again.",
                )
            )
    failures = ["download_if_missing=False forbids the download."]
    if download_if_missing:
        content, failures = fetch(table)
        if content is not None:
            write_atomically(places[0] / table.path, gzip.compress(content, mtime=0))
            return parse_csv(content)
    raise FileNotFoundError(
        f"The data file {table.path!r} was not found in "
        f"{', '.join(str(place) for place in places)}. {' '.join(failures)} "
        "Put the file into one of these folders, set the environment variable "
        f"{DIRECTORY_VARIABLE} to a folder that contains it, or set {MIRROR_VARIABLE} to a URL "
        f"below which {table.path!r} is served."
    )


def data_folders(data_home: str | os.PathLike[str] | None) -> list[Path]:
    """Return the folders to search, in order."""
    named = [data_home, os.environ.get(DIRECTORY_VARIABLE), Path("~") / "skmtl_data"]
    return [Path(folder).expanduser() for folder in named if folder]


def unpack(packed: bytes, table: RemoteTable, what: str, advice: str) -> bytes:
    """Decompress the content and verify its hash."""
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{what} is not a complete gzip file ({error}). {advice}") from error
    return check_content(content, table, what, advice)


def check_content(content: bytes, table: RemoteTable, what: str, advice: str) -> bytes:
    """Return the content, or raise OSError if its hash is not as expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != table.sha256:
        raise OSError(
            f"{what} does not contain the expected table {table.path!r}: the sha256 of its "
            f"uncompressed content is {found}, not {table.sha256}. {advice}"
        )
    return content


def fetch(table: RemoteTable) -> tuple[bytes | None, list[str]]:
    """Download the CSV from the mirror, if one is set, or from the public sources.

    Return the uncompressed content, or None, and the reasons of failures.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        url = f"{mirror.rstrip('/')}/{table.path}"
        try:
            return unpack(
                download(url), table, f"The download {url}", f"Check {MIRROR_VARIABLE}."
            ), []
        except OSError as error:
            return None, [f"{MIRROR_VARIABLE} is set, and the download of {url} failed: {error}"]
    if not table.sources or table.convert is None:
        return None, ["There is no public raw source from which it could be rebuilt."]
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
    """Return the uncompressed CSV made from one public source, or None and the reason."""
    what = ", ".join(urls)
    try:
        return check_content(
            convert([download(url) for url in urls]),
            table,
            f"The table made from {what}",
            "Its source has changed.",
        ), ""
    except (OSError, ValueError, LookupError) as error:
        return None, f"Rebuilding the table from {what} failed: {error}"


def download(url: str) -> bytes:
    """Return the content of a URL."""
    try:
        import pooch
    except ImportError:
        raise ImportError('Downloading a data set needs pooch: pip install "skmtl[data]"') from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "download"
        pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(file), None)
        return file.read_bytes()


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file atomically, with the permissions of the umask."""
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
    """Return the umask of this process; files of mkstemp are more restrictive."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def parse_csv(content: bytes) -> pd.DataFrame:
    """Parse CSV content. The tables have no missing cells, so that a cell such as "NA" is text."""
    return pd.read_csv(io.BytesIO(content), keep_default_na=False)


def to_csv(frame: pd.DataFrame, float_format: str | None = None) -> bytes:
    """Return canonical CSV content: UTF-8, commas, newlines, no index."""
    return frame.to_csv(index=False, lineterminator="\n", float_format=float_format).encode()
