"""Options of the original tools: taken with a note, or refused with advice, never in --help."""

import argparse

import pytest

from tfrecords_tools import original_options


@pytest.mark.parametrize("command", original_options.OPTIONS)
def test_every_option_is_noted_or_refused(command, capsys):
    parser = argparse.ArgumentParser()
    original_options.add(parser, command)
    assert "-p" not in parser.format_help()
    for original in original_options.OPTIONS[command]:
        for flag in original.flags:
            given = [flag, *["3"] * original.values]
            if original.refused:
                with pytest.raises(SystemExit):
                    parser.parse_args(given)
                wanted = f"{flag} is not an option here: {original.text}"
            else:
                assert parser.parse_args(given) == argparse.Namespace()
                wanted = f"note: {flag} is not needed: {original.text}"
            assert wanted in capsys.readouterr().err
