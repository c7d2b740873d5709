import functools
import gzip
import hashlib
import http.server
import os
import sys
import threading

import pytest

from skmtl.datasets import fetch_landmine
from skmtl.datasets.cache import RemoteTable, read_table, write_atomically

CONTENT = b"task,f1,y\n1,0.5,0\n2,NA,1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TABLE = RemoteTable("toy/toy.csv.gz", SHA256)


@pytest.fixture
def empty_world(monkeypatch, tmp_path):
    """A home without data, no variables set; returns the home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("SKMTL_DATA", raising=False)
    monkeypatch.delenv("SKMTL_DATA_URL", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def server(tmp_path):
    """Serve a folder on a free port of this machine; yields the folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join()


def lay(folder, content=CONTENT, table=TABLE):
    file = folder / table.path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content))
    return file


def test_data_home_comes_before_the_variable_and_the_variable_before_the_home_folder(
    empty_world, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKMTL_DATA", str(tmp_path / "variable"))
    broken = b"something else"
    lay(empty_world / "skmtl_data", broken)
    lay(tmp_path / "variable")
    assert len(read_table(TABLE, None, False)) == 2
    lay(tmp_path / "variable", broken)
    lay(tmp_path / "argument")
    assert len(read_table(TABLE, str(tmp_path / "argument"), False)) == 2


def test_a_table_in_the_home_folder_is_found(empty_world):
    lay(empty_world / "skmtl_data")
    table = read_table(TABLE, None, False)
    assert table.columns.tolist() == ["task", "f1", "y"]
    assert table["f1"].tolist() == ["0.5", "NA"]


def test_a_missing_table_names_every_place_both_variables_and_the_file(
    empty_world, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKMTL_DATA", str(tmp_path / "variable"))
    with pytest.raises(FileNotFoundError) as caught:
        read_table(TABLE, tmp_path / "argument", False)
    for part in (
        "toy/toy.csv.gz",
        tmp_path / "argument",
        tmp_path / "variable",
        empty_world / "skmtl_data",
        "SKMTL_DATA ",
        "SKMTL_DATA_URL",
        "download_if_missing",
    ):
        assert str(part) in str(caught.value)


def test_a_table_without_public_source_says_so(empty_world):
    with pytest.raises(FileNotFoundError, match="no public raw source"):
        read_table(TABLE, None, True)


def test_a_fetcher_that_must_not_download_raises_oserror(empty_world, tmp_path):
    with pytest.raises(OSError, match=r"landmine/landmine\.csv\.gz"):
        fetch_landmine(data_home=tmp_path, download_if_missing=False)


def test_a_found_table_with_other_content_raises_and_advises_to_delete_it(empty_world, tmp_path):
    file = lay(tmp_path, b"task,f1,y\n1,0.5,1\n")
    with pytest.raises(OSError, match="Delete it") as caught:
        read_table(TABLE, tmp_path, True)
    assert str(file) in str(caught.value)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"task,f1,y\n1,0.5,1\n").hexdigest() in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: b"no gzip",
        lambda packed: packed[:15] + b"\xff\xff\xff" + packed[18:],
    ],
)
def test_a_damaged_file_raises_oserror_that_names_it(empty_world, tmp_path, damage):
    file = lay(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(OSError, match=r"toy\.csv\.gz"):
        read_table(TABLE, tmp_path, False)


def test_a_mirror_fills_the_first_folder_once(empty_world, tmp_path, server, monkeypatch):
    folder, url = server
    served = lay(folder)
    monkeypatch.setenv("SKMTL_DATA_URL", url + "/")
    first = read_table(TABLE, tmp_path / "new", True)
    served.unlink()
    assert read_table(TABLE, tmp_path / "new", True).equals(first)
    assert [file.name for file in (tmp_path / "new" / "toy").iterdir()] == ["toy.csv.gz"]


def test_a_mirror_with_wrong_content_leaves_nothing_behind(
    empty_world, tmp_path, server, monkeypatch
):
    folder, url = server
    lay(folder, b"task,f1,y\n9,9,9\n")
    monkeypatch.setenv("SKMTL_DATA_URL", url)
    with pytest.raises(OSError, match=f"not {SHA256}"):
        read_table(TABLE, tmp_path / "new", True)
    assert not (tmp_path / "new").exists()


def test_a_mirror_without_the_file_is_named_with_its_answer(empty_world, server, monkeypatch):
    monkeypatch.setenv("SKMTL_DATA_URL", server[1])
    with pytest.raises(FileNotFoundError, match=r"http://127.*404"):
        read_table(TABLE, None, True)


def test_public_sources_are_tried_in_turn_and_checked_after_conversion(
    empty_world, tmp_path, server
):
    folder, url = server
    (folder / "changed.txt").write_bytes(b"1;0.5;7\n2;NA;1")
    (folder / "raw.txt").write_bytes(b"1;0.5;0\n2;NA;1")
    convert = lambda raw: b"task,f1,y\n" + raw[0].replace(b";", b",") + b"\n"  # noqa: E731
    table = RemoteTable(
        "toy/toy.csv.gz",
        SHA256,
        ((f"{url}/absent.txt",), (f"{url}/changed.txt",), (f"{url}/raw.txt",)),
        convert,
    )
    assert len(read_table(table, tmp_path, True)) == 2
    assert gzip.decompress((tmp_path / "toy" / "toy.csv.gz").read_bytes()) == CONTENT


def test_every_failed_source_is_named(empty_world, tmp_path, server):
    folder, url = server
    (folder / "raw.txt").write_bytes(b"no number")
    table = RemoteTable(
        "toy/toy.csv.gz",
        SHA256,
        ((f"{url}/absent.txt",), (f"{url}/raw.txt",)),
        lambda raw: str(int(raw[0])).encode(),
    )
    with pytest.raises(
        FileNotFoundError, match=r"absent\.txt failed.*raw\.txt failed: invalid literal"
    ):
        read_table(table, tmp_path, True)


def test_a_download_without_pooch_names_the_extra(empty_world, monkeypatch):
    monkeypatch.setenv("SKMTL_DATA_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"skmtl\[data\]"):
        read_table(TABLE, None, True)


def test_a_write_that_fails_leaves_no_half_file(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError("no")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "a" / "b.gz", b"x")
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_written_file_can_be_read_by_whom_the_umask_allows(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a" / "a.csv.gz", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "a.csv.gz").stat().st_mode & 0o777 == mode
