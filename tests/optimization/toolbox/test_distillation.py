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
    path = tmp_path / training_checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelLoadError, match="damaged or incomplete"):
        Distiller(config).distil(teacher(), student(), labelled(1))


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
    with pytest.raises(OptimizationError, match="lower learning_rate"):
        Distiller(DistillationConfig(epochs=8, learning_rate=1e20)).distil(conv_net(), student(), images(2))
