import torch

from framegate.finetune.streams.text import SmallTextEncoder, masked_mean
from framegate.finetune.streams.tokenizer import encode, load_tokenizer, train_tokenizer

TEXTS = [
    "Evening news: storms",
    "Вечерние новости: шторм",
    "晚间新闻 风暴",
    "أخبار المساء",
    "Tech ✨ & <b>bold</b>",
] * 3


def test_any_script_survives_the_tokenizer():
    tokenizer = train_tokenizer(TEXTS, vocabulary=400)
    for text in [*TEXTS, "never seen: ქართული 🦉"]:
        ids = encode(tokenizer, text, max_tokens=200)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip() == text.lower()


def test_frequent_words_take_few_tokens():
    tokenizer = train_tokenizer(TEXTS, vocabulary=600)
    assert len(encode(tokenizer, "новости", max_tokens=64)) < len("новости".encode()) / 3


def test_white_space_is_an_absent_text_and_long_text_is_cut():
    tokenizer = train_tokenizer(TEXTS, vocabulary=300)
    assert encode(tokenizer, " \n", max_tokens=8) is None
    assert len(encode(tokenizer, "news " * 50, max_tokens=8)) == 8


def test_training_is_repeatable_and_a_saved_tokenizer_reads_the_same(tmp_path):
    one, other = (train_tokenizer(TEXTS, vocabulary=400) for _ in range(2))
    one.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    for text in TEXTS:
        ids = encode(one, text, max_tokens=64)
        assert torch.equal(ids, encode(other, text, max_tokens=64))
        assert torch.equal(ids, encode(again, text, max_tokens=64))


def test_padding_does_not_change_a_text():
    torch.manual_seed(0)
    encoder = SmallTextEncoder(50, dim=16, layers=2, heads=2, max_tokens=12).eval()
    tokens, mask = torch.randint(0, 50, (3, 6)), torch.arange(6) < torch.tensor([[6], [4], [0]])
    padded = torch.nn.functional.pad(tokens, (0, 5)), torch.nn.functional.pad(mask, (0, 5))
    short, long = masked_mean(encoder(tokens, mask), mask), masked_mean(encoder(*padded), padded[1])
    torch.testing.assert_close(long, short)
    assert short[2].eq(0).all()
