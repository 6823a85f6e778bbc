"""Make `bayesgmm/data/sets/japanese_vowels.csv.gz` from two files of the PyPI package aeon (1.6.0).

    unzip aeon-1.6.0-py3-none-any.whl 'aeon/datasets/data/JapaneseVowels/*'
    python tools/japanese_vowels.py aeon/datasets/data/JapaneseVowels bayesgmm/data/sets/japanese_vowels.csv.gz

In a `.ts` file a line is an utterance: its twelve coefficients, a colon between two, each as numbers over time with a
comma between two, and the speaker last. Here a row is a frame. The numbers are copied digit by digit.
"""

import gzip
import sys
from pathlib import Path

HEAD = ("utterance", "part", "speaker", "frame", *(f"lpc{j}" for j in range(1, 13)))


def rows(path, part, first):
    """The frames of a file; utterances are counted from `first`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for utterance, line in enumerate(lines[lines.index("@data") + 1 :], first):
        *coefficients, speaker = line.split(":")
        frames = zip(*(values.split(",") for values in coefficients), strict=True)
        for frame, values in enumerate(frames):
            yield utterance, part, speaker, frame, *values


def main(source, target):
    """Write the training part, then the test part."""
    source = Path(source)
    train = list(rows(source / "JapaneseVowels_TRAIN.ts", "train", 0))
    test = list(rows(source / "JapaneseVowels_TEST.ts", "test", train[-1][0] + 1))
    text = "".join(",".join(map(str, row)) + "\n" for row in (HEAD, *train, *test))
    Path(target).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
