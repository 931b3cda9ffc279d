"""The index's table in object storage, held against a local S3 server (moto)."""

from __future__ import annotations

import json
import urllib.request

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.retrieval.index import Index

TEXTS = {
    "lamp": "A lamp can be sent back within thirty days.",
    "tent": "A torn tent is mended.",
    "shop": "The shop opens at nine.",
    "post": "Parcels take two days.",
    "card": "Cards are taken.",
    "gift": "Gifts are wrapped.",
    "club": "Members pay less.",
    "bike": "Bikes are rented.",
    "boat": "Boats are not.",
}


@pytest.fixture(scope="module")
def s3():
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(
        port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3, monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": s3,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{s3}/books", method="PUT"))
    return "s3://books/indexes"


def passages(**changed):
    return [
        Passage(id=f"{n}#0", source=n, title=n, text=text)
        for n, text in (TEXTS | changed).items()
        if text
    ]


def tables(s3):
    told = urllib.request.urlopen(f"{s3}/books?list-type=2&prefix=indexes/").read().decode()
    return {key.split("/")[1] for key in told.split("<Key>")[1:]}


def built(folder, bucket, **changed):
    return Index.build(folder / "index", passages(**changed), "minilm", address=bucket)


def test_it_is_built_brought_up_to_date_read_and_copied(s3, bucket, tmp_path):
    first = built(tmp_path, bucket)
    assert first.search(["how many days do I have to send a lamp back?"], 1)[0][0].source == "lamp"
    assert not (tmp_path / "index" / "lance").exists()
    second = built(tmp_path, bucket, tent="Torn tents are replaced.", shop="")
    assert second.about["at"] == first.about["at"], "brought up to date in its place"
    again = Index(tmp_path / "index")
    assert {p.source: p.text for p in again.passages} == {
        p.source: p.text for p in passages(tent="Torn tents are replaced.", shop="")
    }
    assert again.search(["is a torn tent replaced?"], 1, "vector")[0][0].source == "tent"
    again.copy(tmp_path / "copy")
    assert (tmp_path / "copy" / "lance").is_dir() and "at" not in json.loads(
        (tmp_path / "copy" / "about.json").read_text()
    )
    assert [p.text for p in Index(tmp_path / "copy").passages] == [p.text for p in again.passages]


def test_a_table_built_anew_has_its_own_name_and_the_old_one_goes(s3, bucket, tmp_path):
    before = tables(s3)
    first = built(tmp_path, bucket).about["at"]
    second = built(
        tmp_path, bucket, **{name: f"Something else about {name}." for name in TEXTS}
    ).about["at"]
    assert first != second
    assert tables(s3) - before == {second.rpartition("/")[2]}
    home = Index.build(tmp_path / "index", passages(), "minilm")
    assert "at" not in home.about and (tmp_path / "index" / "lance").is_dir()
    assert tables(s3) == before


def test_a_build_that_is_stopped_leaves_the_old_index_whole(s3, bucket, tmp_path, monkeypatch):
    built(tmp_path, bucket)

    def stop(*_):
        raise KeyboardInterrupt

    for name in ("write_text", "_swap"):
        monkeypatch.setattr(f"ftkit.retrieval.store.{name}", stop)
    with pytest.raises(KeyboardInterrupt):
        built(tmp_path, bucket, tent="Torn tents are replaced.")
    with pytest.raises(KeyboardInterrupt):
        built(tmp_path, bucket, **{name: f"Something else about {name}." for name in TEXTS})
    assert [p.text for p in Index(tmp_path / "index").passages] == list(TEXTS.values())


def test_storage_that_cannot_be_reached_is_named(bucket, tmp_path, monkeypatch):
    built(tmp_path, bucket)
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        BadInput, match=r"s3://books/indexes/\w+: the object storage does not answer"
    ):
        Index(tmp_path / "index")


def test_another_address_is_refused():
    with pytest.raises(ValueError, match="begins with s3://"):
        RetrievalParameters(store="http://example.org")
