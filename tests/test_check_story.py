"""`check_story`: sound stories pass, and each broken one gets the sentence that says why."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.models import finite_mixture, poisson_mixture, student_mixture
from bayesgmm.testing import BrokenStory, check_story, faults
from tests.own import broken


def test_a_sound_story_passes_as_a_function_and_as_a_model():
    check_story(broken.sound, broken.X)
    check_story(broken.sound(broken.X))


@pytest.mark.parametrize("story", broken.BROKEN, ids=lambda s: s.__name__)
def test_a_broken_story_gets_its_sentence(story):
    with pytest.raises(BrokenStory, match=broken.BROKEN[story]):
        check_story(story, broken.X)
    assert len(faults(story, broken.X)) == 1


def test_poisson_mixtures_pass():
    exposure = np.linspace(0.5, 2.0, len(broken.X))
    check_story(poisson_mixture, broken.X, 3, exposure=exposure, case_weights=np.arange(len(broken.X)) % 2 + 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["conjugate", "lkj"])
def test_gaussian_stories_pass(prior):
    check_story(finite_mixture, bg.load_dataset("faithful").iloc[::9], 3, prior=prior)


@pytest.mark.slow
def test_case_weights_and_missing_cells_pass():
    x = bg.load_dataset("faithful").iloc[::9].to_numpy(float)
    weights = np.arange(len(x)) % 3 + 1.0
    x[::5, 1] = np.nan
    check_story(finite_mixture, x, 2, covariance_type="diag", missing="marginalise", case_weights=weights)


@pytest.mark.slow
def test_student_mixtures_pass():
    check_story(student_mixture, bg.load_dataset("faithful").iloc[::9], 2)
