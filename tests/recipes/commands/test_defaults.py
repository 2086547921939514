"""Defaults stand twice, since help must not load what they belong to: in the command line, and in what it calls."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from framegate.media import ExtractOptions, Limits
from framegate.recipes import cli
from framegate.recipes.commands.data.extract_command import extract_manifest
from framegate.recipes.commands.data.views_command import draw_views
from framegate.recipes.commands.training.audit_command import audit_backbone
from framegate.recipes.commands.training.evaluate_command import evaluate_classifier
from framegate.recipes.commands.training.predict_command import predict_inputs
from framegate.recipes.commands.training.probe_command import probe_backbone
from framegate.recipes.corpus import make_corpus
from framegate.recipes.demo import run_demo


def defaults(function: Callable[..., object]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


OPTIONS = {field.name: field.default for field in fields(ExtractOptions)}
LIMITS = {field.name: field.default for field in fields(Limits)}
VERBS = {command.name or command.callback.__name__: command.callback for command in cli.app.registered_commands}
CALLED = {
    "demo": defaults(run_demo),
    "corpus": defaults(make_corpus),
    "extract": defaults(extract_manifest) | OPTIONS,
    "probe": defaults(probe_backbone),
    "audit": defaults(audit_backbone),
    "evaluate": defaults(evaluate_classifier),
    "predict": defaults(predict_inputs) | LIMITS,
    "views": defaults(draw_views),
}


@pytest.mark.parametrize("verb", CALLED)
def test_the_command_line_has_the_defaults_of_what_it_calls(verb: str) -> None:
    options = defaults(VERBS[verb])
    shared = options.keys() & CALLED[verb].keys()
    assert shared
    assert {name: options[name] for name in shared} == {name: CALLED[verb][name] for name in shared}
