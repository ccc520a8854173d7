import pytest

from dmmlab.core.streams import Stream, StreamError, characters, spaced, symbols, values


def test_characters_come_every_period_and_the_last_repeats():
    shown = list(characters("ab", period=3).take(11))
    assert shown == [{"a": 1.0}, {}, {}, {"b": 1.0}, {}, {}, {"b": 1.0}, {}, {}, {"b": 1.0}, {}]


def test_the_formula_of_2022():
    string = "test string."
    stream = characters(string)
    for t in range(300):
        expected = {string[min(t // 10 + 1, len(string)) - 1]: 1.0} if t % 10 == 0 else {}
        assert stream(t) == stream(float(t)) == expected
    assert stream(5.5) == {}


def test_words_and_gaps():
    assert list(symbols(["to", "be"], period=2, repeat_last=False).take(5)) == [{"to": 1.0}, {}, {"be": 1.0}, {}, {}]
    assert list(spaced("abc", [0, 2, 0]).take(6)) == [{"a": 1.0}, {}, {}, {"b": 1.0}, {"c": 1.0}, {}]


def test_free_streams():
    nested = {"word": {"length": 4.0}, "zero": 0.0}
    assert list(values([nested, {}, 2.0]).take(4)) == [{"word": {"length": 4.0}}, {}, 2.0, {}]
    assert list(Stream({2: 1.0}).take(4)) == [{}, {}, 1.0, {}]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: characters(""), "an empty stream"),
        (lambda: characters(7), "expected a string, got 7"),
        (lambda: characters("a", period=0), "period 0: expected a whole number"),
        (lambda: symbols(["a", ":number"]), "item ':number': expected text other than ':number'"),
        (lambda: spaced("ab", [1]), "2 items and 1 gaps"),
        (lambda: spaced("a", [-1]), "gap -1: expected"),
        (lambda: Stream({-1: 1.0}), "cycle -1: a cycle is a whole number"),
        (lambda: Stream({0: {"a": "x"}}), "cycle 0/a: expected a finite number, got 'x'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match="^" + message):
        make()


def test_stream_errors_are_one_kind():
    with pytest.raises(StreamError):
        symbols([])
