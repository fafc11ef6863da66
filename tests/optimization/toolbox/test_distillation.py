"""A student learns, stops in time, and goes on after a kill as if nothing had been."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from distillation_run import run, student, teacher
from small_models import ConvNet, conv_net, images, labelled
from torch import nn

from core.optimization.toolbox import training_checkpoint
from core.optimization.toolbox.batches import as_batches
from core.optimization.toolbox.distillation import DistillationConfig, Distiller, Progress, distillation_loss
from core.optimization.toolbox.quality import judge, outputs_of
from core.utils.errors import ModelLoadError, OptimizationError

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def agreement(one: nn.Module, other: nn.Module, data: Any) -> float:
    batches = as_batches(data, "test")
    return judge(outputs_of(one, batches), outputs_of(other, batches), batches).accuracy


def test_a_student_learns_the_teachers_choices_without_labels():
    guide, pupil = conv_net(), ConvNet()
    before = copy.deepcopy(pupil.state_dict())
    told: list[Progress] = []
    data = images(8)
    done = Distiller(DistillationConfig(epochs=10, patience=10, learning_rate=0.01), told.append).distil(
        guide, pupil, data
    )
    assert agreement(done.model, guide, images(4, seed=77)) > max(
        0.6, agreement(pupil.eval(), guide, images(4, seed=77))
    )
    assert all(torch.equal(pupil.state_dict()[name], tensor) for name, tensor in before.items())
    assert [one.step for one in told[:9]] == [*range(1, 9), 8]
    assert told[-1].loss < 0.5 * told[0].loss
    assert done.steps == 8 * 10
    assert not done.model.training


def test_the_loss_is_what_the_paper_says():
    said, wanted = torch.randn(6, 5), torch.randn(6, 5)
    labels = torch.arange(6) % 5
    t, alpha = 3.0, 0.7
    p, log_q = (wanted / t).softmax(-1), (said / t).log_softmax(-1)
    soft = t * t * (p * (p.log() - log_q)).sum(-1).mean()
    hard = -said.log_softmax(-1)[torch.arange(6), labels].mean()
    config = DistillationConfig(temperature=t, alpha=alpha)
    assert torch.allclose(distillation_loss(said, wanted, labels, config), alpha * soft + (1 - alpha) * hard, atol=1e-5)
    assert torch.allclose(distillation_loss(said, wanted, None, config), soft, atol=1e-5)


class OneScore(nn.Module):
    """A number for each input: [batch], or [batch, 1]."""

    def __init__(self, flat: bool) -> None:
        super().__init__()
        self.flat, self.line = flat, nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x).squeeze(-1) if self.flat else self.line(x)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("with_labels", [True, False])
def test_a_student_of_one_score_learns_too(flat: bool, with_labels: bool):
    torch.manual_seed(0)
    guide, pupil = OneScore(flat).eval(), OneScore(flat).eval()
    data = [torch.randn(32, 8) for _ in range(8)]
    given = [(x, (guide(x).flatten() > 0).long()) for x in data] if with_labels else data
    config = DistillationConfig(epochs=6, learning_rate=0.05)
    done = Distiller(config).distil(guide, pupil, given)
    assert agreement(done.model, guide, data) > 0.95 > agreement(pupil, guide, data)


def test_scores_of_each_place_of_an_image_are_its_second_dimension():
    said, wanted = torch.randn(2, 5, 4, 3), torch.randn(2, 5, 4, 3)
    labels = torch.randint(5, (2, 4, 3))
    rows = [one.permute(0, 2, 3, 1).reshape(-1, 5) for one in (said, wanted)]
    config = DistillationConfig()
    assert torch.allclose(
        distillation_loss(said, wanted, labels, config), distillation_loss(*rows, labels.flatten(), config), atol=1e-5
    )


@pytest.mark.parametrize(
    "labels",
    [torch.zeros(16, 1), torch.full((16, 1), 9), torch.zeros(15, 1, dtype=torch.long)],
    ids=["fractions", "a class that there is not", "one too few"],
)
def test_labels_that_do_not_fit_are_told(labels: torch.Tensor):
    data = {"input": torch.randn(16, 8), "labels": labels.squeeze(-1)}
    with pytest.raises(OptimizationError, match="class numbers, one for each choice"):
        Distiller(DistillationConfig(epochs=1)).distil(nn.Linear(8, 5), nn.Linear(8, 5), data)


def test_it_ends_early_with_the_weights_that_were_best():
    unlearnt = [(x, (y + 1) % 5) for x, y in labelled(2)]
    config = DistillationConfig(alpha=0.0, epochs=30, patience=2, learning_rate=0.01)
    losses: list[float] = []
    watch = lambda told: losses.append(told.validation_loss) if told.validation_loss is not None else None  # noqa: E731
    done = Distiller(config, watch).distil(conv_net(), student(), labelled(4), unlearnt)
    assert done.ended_early
    assert done.epochs < 30
    assert done.best_loss == min(losses)
    assert losses.index(min(losses)) == len(losses) - 3


@pytest.mark.parametrize("stop", [3])
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(stop: int, tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE)))}
    command = [sys.executable, str(HERE / "distillation_run.py"), str(tmp_path), str(stop)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        child.kill()
        child.wait(timeout=30)
    assert [entry.name for entry in tmp_path.iterdir()] == [training_checkpoint.FILE]
    again, whole = run(tmp_path), run(None)
    assert again.resumed_from_step == stop - 1
    assert whole.resumed_from_step == 0
    assert (again.steps, again.best_loss) == (whole.steps, whole.best_loss) == (12, again.best_loss)
    left, right = again.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in right)
    assert run(tmp_path).steps == 12


def test_gradient_checkpointing_changes_nothing_that_is_learnt():
    plain, saving = run(None), run(None, gradient_checkpointing=True)
    left, right = plain.model.state_dict(), saving.model.state_dict()
    assert all(torch.allclose(left[name], right[name], atol=1e-5) for name in right if "tracked" not in name)
    assert saving.model.layers[0][1].momentum == plain.model.layers[0][1].momentum


def test_a_checkpoint_of_another_student_or_a_damaged_one_is_refused(tmp_path: Path):
    config = DistillationConfig(epochs=1, checkpoint_folder=str(tmp_path))
    Distiller(config).distil(teacher(), student(), labelled(1))
    with pytest.raises(ModelLoadError, match="not of this ConvNet's training"):
        Distiller(config).distil(teacher(), ConvNet(), labelled(1))
    others: list[tuple[dict[str, Any], nn.Module, int, str]] = [
        ({"temperature": 2.0}, teacher(), 2, "temperature=4.0, now 2.0"),
        ({}, conv_net(seed=8), 2, "teacher=ConvNet"),
        ({}, teacher(), 3, "data="),
    ]
    for options, guide, seed, told in others:
        other = DistillationConfig(epochs=1, checkpoint_folder=tmp_path, **options)
        with pytest.raises(ModelLoadError, match=f"begun with {told}"):
            Distiller(other).distil(guide, student(), labelled(1, seed=seed))
    longer = Distiller(DistillationConfig(epochs=2, checkpoint_folder=tmp_path)).distil(
        teacher(), student(), labelled(1)
    )
    assert (longer.resumed_from_step, longer.steps) == (1, 2)
    path = tmp_path / training_checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelLoadError, match="damaged or incomplete"):
        Distiller(config).distil(teacher(), student(), labelled(1))


def test_what_a_killed_training_left_half_written_is_taken_away(tmp_path: Path):
    old, fresh = (tmp_path / f"{training_checkpoint.FILE}.{pid}.part" for pid in (11, 12))
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (0, 0))
    run(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {training_checkpoint.FILE, fresh.name}


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_checkpoint, "write_safetensors", full)
    with pytest.raises(OptimizationError, match="No space left"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"alpha": 1.5}, {"epochs": 0}, {"learning_rate": -1.0}, {"patience": 0}]
)
def test_options_out_of_range_are_told(options: dict[str, Any]):
    with pytest.raises(OptimizationError, match=f"distillation: {next(iter(options))}"):
        DistillationConfig(**options)


def test_models_and_data_that_do_not_fit_are_told():
    distiller = Distiller(DistillationConfig(epochs=1))
    with pytest.raises(OptimizationError, match="same classes"):
        distiller.distil(conv_net(), nn.Sequential(nn.Flatten(), nn.Linear(192, 7)), images(1))
    with pytest.raises(OptimizationError, match="does not take the data"):
        distiller.distil(conv_net(), student(), torch.randn(2, 5, 8, 8))
    with pytest.raises(OptimizationError, match="no weights to train"):
        distiller.distil(conv_net(), nn.Flatten(), images(1))
    with pytest.raises(OptimizationError, match="training_data: no data"):
        distiller.distil(conv_net(), student(), [])
    ids = torch.randint(9, (2, 4))
    with pytest.raises(OptimizationError, match="ids that come next"):
        distiller.distil(conv_net(), student(), {"input_ids": ids, "labels": ids.clone()})
    with pytest.raises(TypeError, match="not a str"):
        distiller.distil(conv_net(), "student", images(1))  # type: ignore[arg-type]
    with pytest.raises(OptimizationError, match="empty batches"):
        distiller.distil(conv_net(), student(), torch.randn(0, 3, 8, 8))
    with pytest.raises(OptimizationError, match="lower learning_rate"):
        Distiller(DistillationConfig(epochs=8, learning_rate=1e20)).distil(conv_net(), student(), images(2))
