"""Tables of answers: records as fields, texts never one word a line."""

import re

from ftkit.report import theme


def test_a_record_is_shown_as_fields_and_other_text_as_it_is():
    rows = [{"message": "Where <b>", "answer": '{"category": "delivery", "days": 3, "ok": true}'}]
    shown = theme.table_html([*rows, {"message": "x", "answer": '{"half": '}])
    assert '{"category"' not in shown and "&quot;category&quot;" not in shown
    plain = re.sub(r"<br>", "\n", shown)
    words = re.sub(r"<[^>]+>", "", plain)
    assert "category: delivery\ndays: 3\nok: true" in words and "Where &lt;b&gt;" in words
    assert "{&quot;half&quot;: " in words, "broken JSON stays visible as it came"


def test_a_column_of_long_texts_keeps_room_for_some_words_and_a_short_one_stays_narrow():
    shown = theme.table_html([{"message": "a question of many words " * 4, "right": "no"}])
    assert [float(w) for w in re.findall(r"min-width:([\d.]+)em'>", shown)] == [14.0, 2.5]


def test_titles_and_axes_of_charts_are_readable_in_jupyters_dark_theme():
    for day, night in theme.NIGHT.items():
        red, green, blue = (int(day[k : k + 2], 16) for k in (1, 3, 5))
        assert f"rgb({red}, {green}, {blue})" in theme.DARK_CSS
        assert f"{{fill:{night}!important}}" in theme.DARK_CSS
