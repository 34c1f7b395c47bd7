"""Tokenizers against the `tokenizers` package and transformers' AutoTokenizer: ids and texts must be equal.

Encodes and decodes the text of ../shared/data with every BPE tokenizer of ../shared/models, and thousands of random
Unicode strings: of each file up to four pieces, from its first to its last, or every one with ATTUNE_ALL_TEXT=1 (55
million characters, ten minutes). Runs attune_encode_tool from the folder in ATTUNE_HELPERS (default build/tests/helpers).

What the reference makes of all this takes it minutes and is kept as digests in tokenizer_answers.json (known_answers.py): it is
asked where they differ from ours, for smaller numbers of random strings, and for settings of folders. To make them anew:
ATTUNE_ASK_ORACLES=1 ATTUNE_WRITE_ANSWERS=1 and this file alone, the old digests deleted.
"""
import functools
import json
import os
import pathlib
import random
import resource
import subprocess
import unicodedata

import pytest

from known_answers import KnownAnswers, digest_of_files

tokenizers = pytest.importorskip("tokenizers")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
transformers = pytest.importorskip("transformers")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
TOOL = pathlib.Path(os.environ.get("ATTUNE_HELPERS", ROOT / "build/tests/helpers")) / "attune_encode_tool"
FOLDERS = ["gpt2", "gpt-neox-20b", "qwen3", "phi-2", "falcon", "clip", "tinystories-656k"]

ANSWERS = KnownAnswers(pathlib.Path(__file__).with_name("tokenizer_answers.json"), ["tokenizers", "transformers"])

pytestmark = [
    pytest.mark.skipif(not (SHARED / "models").exists(), reason="../shared/models is not here"),
    pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built (target attune_encode_tool)"),
]


def folder(name):
    return SHARED / "models" / (name if name == "tinystories-656k" else f"tokenizers/{name}")


def run(path, requests, *arguments):
    """Answers of the tool, one for each request."""
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([TOOL, path, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(answers) == len(requests)
    return answers


@functools.cache
def reference(name):
    """The backend that AutoTokenizer builds for a folder. The gpt2 folder has no config to tell it the class."""
    auto = transformers.GPT2Tokenizer if name == "gpt2" else transformers.AutoTokenizer
    tokenizer = auto.from_pretrained(str(folder(name)))
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def compare_encoding(expected, path, texts):
    """Our ids equal those of expected() (an encoder of a list of texts); returns the ids."""
    ours = [answer["ids"] for answer in run(path, [{"text": text} for text in texts])]
    key = ANSWERS.key("ids", digest_of_files(path), texts)
    if ANSWERS.has(key, ours):
        return ours
    theirs = [encoding.ids for encoding in expected().encode_batch_fast(texts)]
    for text, got, want in zip(texts, ours, theirs):
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            near = expected().decode(want[max(0, at - 5):at + 5], skip_special_tokens=False)
            pytest.fail(f"{path}: token {at}: {got[at:at + 5]} instead of {want[at:at + 5]} near {near!r} "
                        f"in a text of {len(text)} characters starting {text[:60]!r}")
    ANSWERS.keep(key, theirs)
    return ours


def compare_decoding(expected, path, lists, skip):
    """Our texts equal those of expected(), a decoder."""
    answers = run(path, [{"ids": ids, "skip": skip} for ids in lists])
    for ids, answer in zip(lists, answers):
        assert "error" not in answer, (answer, ids[:20])
    ours = [answer["text"] for answer in answers]
    key = ANSWERS.key("text", digest_of_files(path), lists, skip)
    if ANSWERS.has(key, ours):
        return
    theirs = [expected().decode(ids, skip_special_tokens=skip) for ids in lists]
    for ids, got, want in zip(lists, ours, theirs):
        assert got == want, f"{path}: decoding {ids[:20]}…"
    ANSWERS.keep(key, theirs)


def corpus():
    """The text of ../shared/data in pieces of 16,000 characters."""
    most = None if os.environ.get("ATTUNE_ALL_TEXT") else 4
    pieces = []
    for file in sorted((SHARED / "data").rglob("*")):
        if not file.is_file():
            continue
        try:
            text = file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        starts = range(0, len(text), 16000)
        if most and len(starts) > most:
            starts = [starts[i * (len(starts) - 1) // (most - 1)] for i in range(most)]
        pieces += [text[at:at + 16000] for at in starts]
    return pieces


@pytest.fixture(scope="module")
def all_text():
    pieces = corpus()
    if not pieces:
        pytest.skip("../shared/data is not here")
    return pieces


@functools.cache
def random_texts(count, seed):
    """Strings over all planes with spaces, marks, contractions, digits and special tokens mixed in."""
    rng = random.Random(seed)
    snippets = ["'s", "'LL", "'re", "<|endoftext|>", "<|im_start|>", "<|start_story|>", "<unk>", "\r\n", "\n\n", "  ",
                "\t", " \u3000", "\u00a0", "\u180e", "\u200d", "123", "٣٤", "Ⅷ", "½", "ſ", "İ", "ß", "ﬁ", "각", "각",
                "é", "é", "👩‍👩‍👧", "🇩🇪", "你好", "เธอ", "हिन्दी", "_", "…", "<0x0A>", "▁", "</w>", "\x00", "\x7f", "\x85"]
    ranges = [(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x6ff), (0x900, 0xdff), (0x1e00, 0x2bff),
              (0x3000, 0x9fff), (0xac00, 0xd7a3), (0xe000, 0xfffd), (0x10000, 0x1ffff), (0x20000, 0x3ffff),
              (0xe0000, 0x10ffff)]
    out = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randrange(1, 40)):
            kind = rng.random()
            if kind < 0.35:
                parts.append(rng.choice(snippets))
            else:
                low, high = ranges[0] if kind < 0.55 else rng.choice(ranges)
                character = chr(rng.randint(low, high))
                # Characters that are younger than ICU's or PCRE2's tables have no properties to agree on.
                if unicodedata.category(character) not in ("Cn", "Cs"):
                    parts.append(character * rng.choice([1, 1, 1, 2, 5]))
        out.append("".join(parts))
    return out


def asked(name):
    """The two forms in which a folder's reference is asked: its backend, which encodes, and itself, which decodes."""
    return lambda: reference(name).backend_tokenizer, lambda: reference(name)


@pytest.mark.parametrize("name", FOLDERS)
def test_shared_text_encodes_and_decodes_like_the_reference(name, all_text):
    encoder, decoder = asked(name)
    sample = compare_encoding(encoder, folder(name), all_text)[::8]
    compare_decoding(decoder, folder(name), sample, False)
    compare_decoding(decoder, folder(name), sample[::4], True)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("count, seed", [(6000, 7), (500, 8)])
def test_random_unicode_encodes_and_decodes_like_the_reference(name, count, seed, monkeypatch):
    if count < 1000:
        monkeypatch.setenv("ATTUNE_ASK_ORACLES", "1")
    encoder, decoder = asked(name)
    ids = compare_encoding(encoder, folder(name), random_texts(count, seed))
    compare_decoding(decoder, folder(name), ids[::3], False)
    compare_decoding(decoder, folder(name), ids[1::3], True)


@pytest.mark.parametrize("name", FOLDERS)
def test_random_ids_decode_like_the_reference(name):
    rng = random.Random(3)
    lists = [[rng.randrange(len(reference(name))) for _ in range(rng.randrange(1, 30))] for _ in range(2000)]
    compare_decoding(asked(name)[1], folder(name), lists, False)


@pytest.mark.parametrize("name", [name for name in FOLDERS if name not in ("gpt2", "qwen3")])
def test_a_file_alone_is_read_as_from_file_does(name):
    file = folder(name) / "tokenizer.json"
    expected = functools.cache(lambda: tokenizers.Tokenizer.from_file(str(file)))
    ids = compare_encoding(expected, file, random_texts(3000, seed=11))
    compare_decoding(expected, file, ids, False)


def test_llama_cpp_vectors():
    base = folder("gpt2") / "ggml-vocab-gpt-2.gguf"
    texts = pathlib.Path(f"{base}.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    wanted = [[int(word) for word in line.split()] for line in pathlib.Path(f"{base}.out").read_text().split("\n")]
    texts = texts[:len(wanted)]
    assert len(wanted) == 47
    answers = run(folder("gpt2"), [{"text": text} for text in texts], "--no-special")
    assert [answer["ids"] for answer in answers] == wanted


@pytest.mark.parametrize("name", FOLDERS)
def test_prompt_and_completion_are_cut_like_the_joint_tokenisation(name):
    tokenizer = reference(name)
    pairs = [("What is 2+2?", " 4"), ("Once upon a ti", "me there was"), ("", "only"), ("no completion", ""),
             ("trailing space ", "word"), ("a\n", "\nb"), ("don", "'t"), ("日本", "語")]
    answers = run(folder(name), [{"prompt": prompt, "completion": completion} for prompt, completion in pairs])
    for (prompt, completion), got in zip(pairs, answers):
        # TRL: ids of the joined text; here cut at the common prefix with the prompt's ids without a closing token.
        whole, alone = tokenizer(prompt + completion)["input_ids"], tokenizer(prompt)["input_ids"]
        if name == "clip":
            alone = alone[:-1]
        cut = next((i for i, (a, b) in enumerate(zip(whole, alone)) if a != b), min(len(whole), len(alone)))
        assert got == {"prompt": whole[:cut], "completion": whole[cut:], "straddles": cut < len(alone)}, prompt


@pytest.mark.parametrize("name, word", [("tokenizers/t5-small", "Unigram"), ("tokenizers/mistral", "SentencePiece")])
def test_what_is_not_supported_is_refused_by_name(name, word):
    done = subprocess.run([TOOL, SHARED / "models" / name], input="", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert word in done.stderr


def test_a_pattern_that_fails_at_every_position_is_stopped(tmp_path):
    """From each of 400,000 letters to the end of the text and back would take many minutes."""
    split = {"type": "Split", "pattern": {"Regex": "(?:a(?!e))++(?=c|d)"}, "behavior": "Isolated", "invert": False}
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(byte_tokenizer(pre_tokenizer=split)))
    done = subprocess.run([TOOL, file], input=json.dumps({"text": "a" * 400_000}) + "\n", capture_output=True, text=True,
                          check=False, timeout=300)
    assert done.returncode == 2
    assert "takes too long" in done.stderr


@pytest.mark.parametrize("name", FOLDERS)
def test_a_megabyte_without_a_space_is_fast(name):
    """Processor time of loading and encoding; quadratic merging would take hours."""
    for text in ("a" * 1_000_000, "abcdefghij" * 100_000, " " * 1_000_000, "你好世界" * 83_000):
        request = json.dumps({"text": text}) + "\n"
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([TOOL, folder(name)], input=request, stdout=subprocess.DEVNULL, text=True, check=True)
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.5


# Each component over every code point. The model knows nothing but bytes, so that decoding its ids gives back the
# normalised text; the end-of-word suffix marks where pieces end.

NORMALIZERS = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")] + [
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    {"type": "Strip", "strip_left": True, "strip_right": False},
    {"type": "Prepend", "prepend": "xy"},
    {"type": "Replace", "pattern": {"Regex": r"\s+|\d|x*"}, "content": "_"},
    {"type": "Replace", "pattern": {"String": "b"}, "content": "<>"},
]
REGEXES = [r"\s+", r"\w+", r"\d", r"\p{Han}+", r"(?i:s|k)", r"[^\r\n\p{L}\p{N}]?\p{L}+", r"[\p{L}\p{M}]+", r"\p{N}{1,3}",
           r"\b", r"^.", r".$", r"[[:punct:]]", r"\p{Hiragana}|\p{Katakana}", r"[一-龥぀-ゟ゠-ヿ]+", r"\h+",
           r"[\p{P}\p{S}]", r"[^\s\p{L}\p{N}]++", r"\p{Lu}\p{Ll}*", r"b*", r"\S(?=b)|(?<=a)\W"]
REGEXES += [  # of published tokenizers: Llama 3, Qwen 2, o200k, DeepSeek-V3
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+",
]
PRE_TOKENIZERS = [
    {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False} for regex in REGEXES
] + [
    {"type": "Split", "pattern": {"String": "b"}, "behavior": behavior, "invert": invert}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for invert in (False, True)
] + [{"type": "Punctuation", "behavior": behavior} for behavior in ("Removed", "Isolated", "MergedWithNext", "Contiguous")] + [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False},
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"},
    {"type": "CharDelimiterSplit", "delimiter": "b"}, {"type": "FixedLength", "length": 3},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
]


def byte_tokenizer(**parts):
    vocab = {f"<0x{byte:02X}>": byte for byte in range(256)}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": "\x01", "fuse_unk": False, "byte_fallback": True, "ignore_merges": False,
             "vocab": vocab, "merges": []}
    decoder = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": decoder, "model": model} | parts


@functools.cache
def every_code_point():
    """Texts in which every assigned code point stands between letters, doubled, and after a mark.

    Of the ideographs and syllables, which are all alike, one in fifty.
    """
    points = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    alike = ("CJK UNIFIED", "HANGUL SYLLABLE", "TANGUT", "NUSHU", "KHITAN", "CUNEIFORM", "EGYPTIAN", "ANATOLIAN")
    points = [c for c in points if ord(c) % 50 == 0 or not unicodedata.name(c, "").startswith(alike)]
    return ["".join(f"a{c}b {c}{c}Z\u0301{c} " for c in points[at:at + 64]) for at in range(0, len(points), 64)]


@pytest.mark.parametrize("part", NORMALIZERS + PRE_TOKENIZERS, ids=lambda part: json.dumps(part)[9:60])
def test_components_over_all_of_unicode(part, tmp_path):
    key = "normalizer" if part in NORMALIZERS else "pre_tokenizer"
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(byte_tokenizer(**{key: part})), encoding="utf-8")
    texts = every_code_point()
    ours = [answer["ids"] for answer in run(file, [{"text": text} for text in texts])]
    key = ANSWERS.key("ids", digest_of_files(file), texts)
    if ANSWERS.has(key, ours):
        return
    expected = tokenizers.Tokenizer.from_file(str(file))
    theirs = [encoding.ids for encoding in expected.encode_batch_fast(texts)]
    bad = []
    for text, got, want in zip(texts, ours, theirs):
        if got != want:
            # Narrow down to the characters at fault.
            for c in sorted(set(text)):
                one = f"a{c}b {c}{c}Z\u0301{c} "
                if run(file, [{"text": one}])[0]["ids"] != expected.encode(one).ids:
                    bad.append(f"U+{ord(c):04X}")
            bad.append("…")
        if len(bad) > 40:
            break
    assert not bad, " ".join(bad)
    ANSWERS.keep(key, theirs)


# Folder settings. Each case is (files of the folder, settings that replace those of its tokenizer_config.json).

SETTINGS = {
    "add_bos_token is left to the file": ("tinystories-656k", {"add_bos_token": False}),
    "add_eos_token is left to the file": ("tinystories-656k", {"add_eos_token": True}),
    "legacy prepends always": ("tinystories-656k", {"legacy": True}),
    "no prefix space": ("tinystories-656k", {"add_prefix_space": False}),
    "generic class": ("tinystories-656k", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    "fast class name": ("tinystories-656k", {"tokenizer_class": "LlamaTokenizerFast"}),
    "no added_tokens_decoder": ("tinystories-656k", {"added_tokens_decoder": None}),
    "no class": ("tinystories-656k", {"tokenizer_class": None}),
    "extra tokens": ("tinystories-656k", {"additional_special_tokens": ["<one>", "there"], "sep_token": "<sep>"}),
    "token without flags": ("tinystories-656k", {"added_tokens_decoder": None, "eos_token": "<new_end>"}),
    "gemma class": ("tinystories-656k", {"tokenizer_class": "GemmaTokenizer"}),
    "vocabulary with bos": ("qwen3", {"add_bos_token": True, "bos_token": "<|endoftext|>"}),
    "vocabulary with eos": ("qwen3", {"add_eos_token": True}),
    "gpt2 class": ("qwen3", {"tokenizer_class": "GPT2Tokenizer"}),
    "gpt2 class with prefix": ("qwen3", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}),
    "neox class": ("gpt-neox-20b", {"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True}),
    "neox class, no config": ("gpt-neox-20b", {}),
    "codegen class": ("phi-2", {"add_prefix_space": True}),
    "clip class": ("clip", {"bos_token": "<|endoftext|>"}),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_folder_settings_are_applied_like_auto_tokenizer(case, tmp_path):
    name, changes = SETTINGS[case]
    for file in folder(name).iterdir():
        if file.name in ("tokenizer.json", "vocab.json", "merges.txt", "special_tokens_map.json"):
            (tmp_path / file.name).symlink_to(file)
    config_file = folder(name) / "tokenizer_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8")) if config_file.exists() else {}
    config = {key: value for key, value in (config | changes).items() if value is not None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "config.json").write_text("{}")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"transformers does not load this folder: {error}")
    tokenizer.backend_tokenizer.no_truncation()
    ids = compare_encoding(lambda: tokenizer.backend_tokenizer, tmp_path, random_texts(400, seed=5) + ["over there", "<one><sep>"])
    compare_decoding(lambda: tokenizer, tmp_path, ids, False)


# Places in the source of every token, against `offsets`. The reference cuts spaces off those of byte-level tokens
# (trim_offsets), which is no part of where a token came from: that is switched off.

def without_trimming(backend):
    settings = json.loads(backend.to_str())

    def switch_off(part):
        if isinstance(part, dict):
            if "trim_offsets" in part:
                part["trim_offsets"] = False
            for value in part.values():
                switch_off(value)
        elif isinstance(part, list):
            for value in part:
                switch_off(value)

    switch_off(settings["post_processor"])
    return tokenizers.Tokenizer.from_str(json.dumps(settings))


def byte_places(text, offsets):
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode("utf-8")))
    return [[starts[begin], starts[end]] for begin, end in offsets]


def loses_characters(backend):
    """Vocabularies that lack characters and have nothing for them: the reference's offsets slip there."""
    model = json.loads(backend.to_str())["model"]
    return model.get("unk_token") is None and "<0x00>" not in model["vocab"] and "Ā" not in model["vocab"]


def compare_places(reference_of, path, texts):
    """Our places equal the offsets of reference_of(); ids are those of the encoding without places."""
    answers = run(path, [{"text": text, "places": True} for text in texts])
    key = ANSWERS.key("places", digest_of_files(path), texts)
    if ANSWERS.has(key, [[answer["ids"], answer["places"]] for answer in answers]):
        return
    expected = reference_of()
    lossy = loses_characters(expected)
    theirs = []
    for text, got, want in zip(texts, answers, expected.encode_batch(texts)):
        assert got["ids"] == want.ids, f"{path}: {text[:60]!r}"
        places = byte_places(text, want.offsets)
        if lossy:
            vocab = expected.get_vocab()
            if any(c not in vocab for c in text if c != " "):
                continue
        for at, (ours, wanted) in enumerate(zip(got["places"], places)):
            assert ours == wanted, (f"{path}: token {at} ({want.tokens[at]!r}) of {text[:200]!r} has the place {ours} instead "
                                    f"of {wanted}")
        theirs.append([want.ids, places])
    assert theirs
    if not lossy:
        ANSWERS.keep(key, theirs)


@pytest.mark.parametrize("name", FOLDERS)
def test_places_are_the_offsets_of_the_reference(name, all_text):
    """In a sample of the shared text, all of it where ATTUNE_ALL_TEXT is set, and in random Unicode."""
    pieces = all_text if os.environ.get("ATTUNE_ALL_TEXT") else [piece[:3000] for piece in all_text[::17]]
    texts = [line for piece in pieces for line in piece.split("\n\n")] + random_texts(300, seed=23)
    texts += ["once upon", " a cat", "the dog sat.<|start_story|> yes"]
    compare_places(lambda: without_trimming(reference(name).backend_tokenizer), folder(name), texts)


PLACING_MODELS = {
    "bytes": {"byte_fallback": True},
    "unknown": {"unk_token": "<unk>"},
    "unknown, fused": {"unk_token": "<unk>", "fuse_unk": True},
}
PLACING_NORMALIZERS = [part for part in NORMALIZERS if part.get("pattern") != {"Regex": r"\s+|\d|x*"}] + [
    {"type": "Replace", "pattern": {"Regex": r"\s+|\d"}, "content": "_."},
    {"type": "Replace", "pattern": {"String": "a"}, "content": ""},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": False, "lowercase": False},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                                         {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                                         {"type": "NFC"}]},
]
PLACING_PRE_TOKENIZERS = [part for part in PRE_TOKENIZERS if part["type"] != "Split" or len(str(part)) < 110]


def placing_tokenizer(model, **parts):
    """Single letters and some merges of them; added tokens that take spaces, some in normalised text."""
    letters = [chr(c) for c in range(0x20, 0x7f)] + list("▁éÉäöüßñÅ中文字")
    vocab = {token: at for at, token in enumerate(["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)] + letters)}
    merges = [("t", "h"), ("th", "e"), ("a", "b"), ("e", "́"), (" ", " "), ("▁", "a"), ("<", "/")]
    for left, right in merges:
        for token in (left, right, left + right):
            vocab.setdefault(token, len(vocab))
    if model.get("unk_token"):
        vocab = {token: at for token, at in vocab.items() if not token.startswith("<0x")}
        vocab = {token: at for at, token in enumerate(vocab)}
    added = [{"id": len(vocab), "content": "<Sep>", "normalized": True, "special": False, "lstrip": False, "rstrip": True,
              "single_word": False},
             {"id": len(vocab) + 1, "content": "<|x|>", "normalized": False, "special": True, "lstrip": True, "rstrip": False,
              "single_word": False}]
    base = byte_tokenizer(added_tokens=added, **parts)
    base["model"] |= {"vocab": vocab, "merges": merges, "end_of_word_suffix": None, "byte_fallback": False} | model
    return base


def placing_texts(count, seed):
    rng = random.Random(seed)
    pieces = ["the cat", " abab", "  ", "\t", "cafe\u0301", "É", "e\u0323\u0301", "e\u0301\u0323", "ﬁ", "각", "\u1100\u1161\u11a8", "中文",
              "İ", "ß", "①", "<Sep>", "<sep>", " <|x|> ", "</", "\x00", "\u200d", "👩‍👧", "½", "\u00a0", "x", "b1", "aa", "\u0301", "ǖ",
              "ᾳ\u0345", "\u0344", "\ufdfa", ".", "\n"]
    texts = ["".join(rng.choice(pieces) for _ in range(rng.randrange(1, 14))) for _ in range(count)]
    return texts + random_texts(count // 4, seed)


@pytest.mark.parametrize("model", PLACING_MODELS)
@pytest.mark.parametrize("part", PLACING_NORMALIZERS + PLACING_PRE_TOKENIZERS, ids=lambda part: json.dumps(part)[9:70])
def test_places_are_kept_through_every_component(part, model, tmp_path):
    key = "normalizer" if part in PLACING_NORMALIZERS else "pre_tokenizer"
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(placing_tokenizer(PLACING_MODELS[model], **{key: part})), encoding="utf-8")
    compare_places(lambda: tokenizers.Tokenizer.from_file(str(file)), file, placing_texts(200, seed=31))
    if key == "normalizer" and model == "bytes":
        compare_places(lambda: tokenizers.Tokenizer.from_file(str(file)), file, every_code_point()[::5])


def test_places_are_kept_through_components_together(tmp_path):
    rng = random.Random(77)
    cutting = [part for part in PLACING_PRE_TOKENIZERS if part.get("prepend_scheme") != "first"]
    for number in range(40):
        chosen = rng.sample(PLACING_NORMALIZERS, 3)
        parts = {"normalizer": {"type": "Sequence", "normalizers": chosen},
                 "pre_tokenizer": {"type": "Sequence", "pretokenizers": rng.sample(cutting, 2)}}
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(placing_tokenizer(rng.choice(list(PLACING_MODELS.values())), **parts)), encoding="utf-8")
        compare_places(lambda: tokenizers.Tokenizer.from_file(str(file)), file, placing_texts(80, seed=number))


def test_what_a_vocabulary_lacks_moves_no_places(tmp_path):
    """By hand: letters without a token are left out, and what follows them keeps its place."""
    file = tmp_path / "tokenizer.json"
    model = byte_tokenizer()
    model["model"] |= {"vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": [["a", "b"]], "end_of_word_suffix": None,
                       "byte_fallback": False}
    file.write_text(json.dumps(model))
    got = run(file, [{"text": "é[a{bc", "places": True}])
    assert got == [{"ids": [2, 3], "places": [[3, 6], [6, 7]]}]


def test_the_reference_is_asked_where_nothing_or_something_else_is_known(tmp_path, monkeypatch):
    monkeypatch.delenv("ATTUNE_ASK_ORACLES", raising=False)
    monkeypatch.setenv("ATTUNE_WRITE_ANSWERS", "1")
    (tmp_path / "tokenizer.json").write_text("{}")
    answers = KnownAnswers(tmp_path / "answers.json", ["tokenizers"])
    key = answers.key("ids", digest_of_files(tmp_path), ["a"])
    assert not answers.has(key, [1, 2])
    answers.keep(key, [1, 2])
    again = KnownAnswers(tmp_path / "answers.json", ["tokenizers"])
    assert again.has(key, [1, 2]) and not again.has(key, [2, 1])
    (tmp_path / "tokenizer.json").write_text("{ }")
    assert again.key("ids", digest_of_files(tmp_path), ["a"]) != key
    monkeypatch.setenv("ATTUNE_ASK_ORACLES", "1")
    assert not again.has(key, [1, 2])
