"""Rows of token ids as one tensor, padded on the left: what is written next stands at the same end of every row."""

import torch


def left_padded(rows: list[list[int]], pad: int, device: torch.device | None = None) -> torch.Tensor:
    """`rows` as a tensor [rows, longest], with `pad` before the shorter ones."""
    longest = max(map(len, rows))
    return torch.tensor([[pad] * (longest - len(row)) + row for row in rows], device=device)


def inputs(rows: list[list[int]], pad: int, device: torch.device | None = None) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask and position_ids [rows, longest] of rows of token ids."""
    mask = left_padded([[1] * len(row) for row in rows], 0, device)
    return {
        "input_ids": left_padded(rows, pad, device),
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
    }


def following(read: dict[str, torch.Tensor], kept: torch.Tensor, chosen: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is read after `read`, with a cache: the token ids `chosen` [rows] behind the rows `kept` of it."""
    mask = read["attention_mask"][kept]
    return {
        "input_ids": chosen[:, None],
        "attention_mask": torch.cat((mask, mask.new_ones(len(kept), 1)), 1),
        "position_ids": read["position_ids"][kept, -1:] + 1,
    }
