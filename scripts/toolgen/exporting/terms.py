"""What a base model's licence asks of those who pass on a model made from it: its name, a notice, a credit.

Sources: llama.com/llama3/license, llama.com/llama3_1/license and those after it, section 1.b;
ai.google.dev/gemma/terms, section 3.1. Nobody's advice: read the licence itself.
"""

import re
from dataclasses import dataclass

FROM_SCRATCH = "from_scratch"
LLAMA = re.compile(r"llama-?3(?:\.([123]))?(?![.\d])", re.IGNORECASE)
GEMMA = re.compile(r"gemma-(?:2b|7b|2|3n?|3?270m)(?![.\d])", re.IGNORECASE)
QWEN = re.compile(r"^Qwen/Qwen3-")


@dataclass(frozen=True)
class Terms:
    """`license` is the Hub's identifier, `link` the licence; the model's name begins with `prefix`; `notice` is the
    text of the file NOTICE, `credit` what is shown with the model."""

    license: str
    link: str = ""
    prefix: str = ""
    notice: str = ""
    credit: str = ""


def of(base_model: str) -> Terms:
    """The terms of a model trained from `base_model`, by its id; for an unknown one `other`."""
    name = base_model.rstrip("/").rsplit("/", 1)[-1]
    if base_model == FROM_SCRATCH:
        return Terms("apache-2.0")
    if found := LLAMA.search(name):
        version = found[1]
        called = f"Llama 3.{version}" if version else "Meta Llama 3"
        return Terms(
            license=f"llama3.{version}" if version else "llama3",
            link=f"https://www.llama.com/llama3_{version}/license/" if version else "https://www.llama.com/llama3/license/",
            prefix="Llama" if version else "Llama-3",
            notice=f"{called} is licensed under the {called} Community License, Copyright © Meta Platforms, Inc. "
            "All Rights Reserved.",
            credit="Built with Llama" if version else "Built with Meta Llama 3",
        )
    if GEMMA.search(name):
        return Terms(
            license="gemma",
            link="https://ai.google.dev/gemma/terms",
            notice="Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
            credit="Built on Gemma; the uses that its terms prohibit are prohibited for this model, too",
        )
    if QWEN.search(base_model):
        return Terms("apache-2.0", link="https://www.apache.org/licenses/LICENSE-2.0")
    return Terms("other")
