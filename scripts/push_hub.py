"""Upload the exported model and the dataset, with their cards, to the Hugging Face Hub.

    python scripts/push_hub.py [--repo name/model] [--public]

reads   models/export/, data/refined/ (README.md, dataset.jsonl); HF_TOKEN, or the token of `hf auth login`
writes  the repositories <repo> and, as a dataset, <repo>-data; by default <you>/<the card's title>

New repositories are private without --public; those that are there stay as they are. HF_ENDPOINT names another hub.
"""

import argparse
import re
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

from toolgen import console, records
from toolgen.exporting import terms

EXPORT, DATASET = Path("models/export"), Path("data/refined")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", metavar="name/model")
    parser.add_argument("--public", action="store_true")
    arguments = parser.parse_args()
    token = get_token()
    if token is None:
        raise console.Mistake("there is no token for the Hugging Face Hub: set HF_TOKEN to one that may write")
    for folder, target in ((EXPORT, "make export"), (DATASET, "make data")):
        if not (folder / "README.md").is_file():
            raise console.Mistake(f"there is no {folder}/README.md: run `{target}` first")
    api = HfApi(token=token)
    try:
        repo = arguments.repo or f"{api.whoami()['name']}/{title(EXPORT / 'README.md')}"
        check_name(repo)
        for name, folder, kind, files in (
            (repo, EXPORT, "model", None),
            (f"{repo}-data", DATASET, "dataset", ["README.md", "dataset.jsonl"]),
        ):
            made = api.create_repo(name, repo_type=kind, private=not arguments.public, exist_ok=True)
            api.upload_folder(
                repo_id=made.repo_id, folder_path=folder, repo_type=kind, allow_patterns=files,
                commit_message="CarTool ToolGen",
            )  # fmt: skip
            print(f"push_hub: {folder} -> {made}")
    except (httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled, RuntimeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise console.Mistake(f"the Hugging Face Hub did not take it: {reason[:300]}") from None


def title(card: Path) -> str:
    """What the model card calls the model."""
    return re.search(r"^# (.+)$", card.read_text(encoding="utf-8"), re.MULTILINE)[1]


def check_name(repo: str) -> None:
    """Raises Mistake for a name that the licence of the base model does not allow."""
    base_model = records.read_json(EXPORT / "toolgen.json")["base_model"]
    prefix, name = terms.of(base_model).prefix, repo.rsplit("/", 1)[-1]
    if not name.startswith(prefix):
        raise console.Mistake(
            f"the licence of {base_model} wants a name that begins with {prefix}: REPO={repo.removesuffix(name)}"
            f"{prefix}-{name}"
        )


if __name__ == "__main__":
    console.finish(main, (records.BadRecord,))
