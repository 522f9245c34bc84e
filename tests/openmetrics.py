"""A strict reader of OpenMetrics text 1.0, as far as we write it.

read(TEXT) returns {(name, labels): value}, labels as a frozenset of pairs; what
the format does not allow is a ValueError.
"""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)')
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
SUFFIXES = {"counter": ("_total",), "gauge": ("",),
            "histogram": ("_bucket", "_sum", "_count")}


def read_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in labels:
            raise ValueError(f"labels: {text!r}")
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n"
                                  else m[1], match[2])
        at = match.end()
    return frozenset(labels.items())


def read_sample(line, family, kind):
    match = SAMPLE.fullmatch(line)
    if not match or not NUMBER.fullmatch(match[3]):
        raise ValueError(f"no sample: {line!r}")
    if match[1] not in [family + end for end in SUFFIXES[kind]]:
        raise ValueError(f"{match[1]} is not of {family}, a {kind}")
    return (match[1], read_labels(match[2] or "")), float(match[3])


def check_histogram(family, samples):
    buckets = [(dict(labels)["le"], value)
               for (name, labels), value in samples.items()
               if name == family + "_bucket"]
    bounds = [float(le.replace("+Inf", "inf")) for le, _ in buckets]
    counts = [n for _, n in buckets]
    if bounds != sorted(bounds) or bounds[-1] != float("inf"):
        raise ValueError(f"{family}: bounds {bounds}")
    if any("." not in le for le, _ in buckets if le != "+Inf"):
        raise ValueError(f"{family}: a bound is no float")
    if counts != sorted(counts) or \
            counts[-1] != samples[family + "_count", frozenset()]:
        raise ValueError(f"{family}: counts {counts}")


def read(text):
    if not text.endswith("\n# EOF\n"):
        raise ValueError("it has no end")
    samples, families, family = {}, {}, None
    for line in text.split("\n")[:-2]:
        match = re.fullmatch(rf"# TYPE ({NAME}) (\w+)", line)
        if match:
            family = match[1]
            if family in families or match[2] not in SUFFIXES:
                raise ValueError(line)
            families[family] = match[2]
        elif line.startswith("# HELP "):
            if not re.fullmatch(rf"# HELP {family} \S.*", line):
                raise ValueError(line)
        else:
            key, value = read_sample(line, family, families.get(family))
            if key in samples:
                raise ValueError(f"twice: {line!r}")
            samples[key] = value
    for name, kind in families.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return samples
