import pytest

from tfepi.comparison.named import Named, parse_models
from tfrecords_tools.errors import ConfigError


def test_a_model_with_options():
    found = Named.parse('a.1=enformer,hub/1,head=human,query="a, b" & CAGE,rc,batch_size=2')
    assert found == Named(
        "a.1",
        ("enformer", "hub/1"),
        {"head": "human", "query": '"a, b" & CAGE', "rc": True, "batch_size": "2"},
    )


def test_a_folder_of_scores():
    assert Named.parse("b=out/x=1") == Named("b", ("out/x=1",), {})
    assert Named.parse("b=out,query=liver") == Named("b", ("out",), {"query": "liver"})
    assert Named.parse("b=out,mean").options == {"mean": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run", "want NAME=PARAMS,MODEL, or NAME=FOLDER"),
        ("=run", "with a name of letters"),
        ("../a=p,m", "with a name of letters"),
        ("a=", "lacks a path"),
        ("a=,m", "lacks a path"),
        ("a=rc,mean", "lacks a path"),
        ("a=p,m,hed=x", "unknown option 'hed=x' of model a: did you mean"),
        ("a=p,m,rc=1", "unknown option 'rc=1' of model a"),
        ("a=p,m,head", "unknown option 'head' of model a"),
        ("a=p,m,head=x,head=y", "head is given twice"),
        ("a=p,m,head=", "head has no value"),
        ("a=folder,head=x", "is a folder of scores, of which head cannot be said"),
        ('a=p,m,query="x', "quotation mark without a second one"),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        Named.parse(text)


def test_several_models():
    assert [m.name for m in parse_models(["a=p,m", "b=f"])] == ["a", "b"]
    with pytest.raises(ConfigError, match="1 model is named, want at least two"):
        parse_models(["a=p,m"])
    with pytest.raises(ConfigError, match="two models are named 'a': give each a name of its own"):
        parse_models(["a=p,m", "a=f"])
    with pytest.raises(ConfigError, match="two models are named 'run' and 'Run', which some disks"):
        parse_models(["run=p,m", "b=f", "Run=x"])
