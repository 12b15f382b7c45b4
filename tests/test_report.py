"""Reports: pages that need no network, numbers that trace to files, and what they say."""

import json
import re
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import shapely
import xarray as xr

import womble as wb
from womble.reporting.about_fit import convergence_section
from womble.reporting.about_limits import origin_section
from womble.reporting.about_lines import compass
from womble.reporting.about_model import model_section
from womble.reporting.content import Number, Section, numbers, sentence, shown, units_shown
from womble.reporting.files import write_numbers
from womble.reporting.findings import rise_directions
from womble.reporting.render import render
from womble.reporting.sensitivity import compared, refits

mpl.use("Agg")

LINE = shapely.LineString([(181050, 332010), (181050, 332090)])


class Page(HTMLParser):
    """What a page holds: links, `data` elements with their text, all text, headings."""

    def __init__(self, text):
        super().__init__()
        self.links, self.data, self.text, self.sections = [], {}, [], []
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("src", "href", "action") if name in attrs]
        if tag == "data":
            assert attrs["id"] not in self.data
            self.data[attrs["id"]] = [attrs["value"], ""]
            self._open = attrs["id"]
        if tag == "section":
            self.sections.append(attrs["id"])

    def handle_endtag(self, tag):
        if tag == "data":
            self._open = None

    def handle_data(self, data):
        self.text.append(data)
        if self._open:
            self.data[self._open][1] += data


def written(post, folder, **options):
    paths = wb.report(post, folder / "report.html", samples=40, rng=1, progress=False, **options)
    return paths, Page(paths[0].read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def few_pixels():
    """Figures are drawn all the same, and written in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("womble.reporting.images.RESOLUTION", 20)
        yield


@pytest.fixture(scope="module")
def coarse(zinc):
    return wb.Grid.from_data(zinc, spacing=10.0)


@pytest.fixture(scope="module")
def plane(few_modes, given, coarse, tmp_path_factory):
    """A report with everything: crests that are kept whatever their evidence, levels, a curve."""
    curve = gpd.GeoDataFrame({"name": ["a <b>bank"]}, geometry=[LINE], crs=given.data.crs)
    options = {"curves": curve, "levels": [10.0], "prominence": 0.5, "line_alpha": 0.49}
    options |= {"null_replicates": 19, "date": "2024-02-29", "sensitivity": {"same": given}}
    return written(given, tmp_path_factory.mktemp("report"), grid=coarse, **options)


@pytest.fixture(scope="module")
def folder(plane):
    return plane[0][0].parent / "report_data"


def test_nothing_is_fetched(plane):
    page, text = plane[1], plane[0][0].read_text(encoding="utf-8")
    assert all(link.startswith(("data:", "#")) for link in page.links)
    # The name of SVG's namespace is not an address that anything opens.
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text


def test_every_number_is_in_the_file_and_shown_as_it_is(plane, folder):
    stored = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    assert list(stored) == list(plane[1].data)
    assert len(stored) > 100
    for name, (full, text) in plane[1].data.items():
        value = np.nan if stored[name] is None else stored[name]
        npt.assert_equal(float(full), float(value))
        assert text == shown(value), name


@pytest.mark.parametrize("kind", ["gradient", "level"])
def test_lines_trace_to_their_file(plane, folder, kind):
    lines = gpd.read_file(folder / f"boundaries_{kind}.gpkg")
    found = plane[1].data
    assert int(found[f"boundaries.{kind}.count"][0]) == len(lines) > 0
    columns = ["length", "steepness_mean", "steepness_q975", "rise_direction", "width_q50"]
    columns += ["position_sd", "probability", "p_null"]
    for row in lines.to_dict("records"):
        prefix = f"boundaries.{kind}.{row['boundary_id']}"
        for name in columns:
            npt.assert_equal(float(found[f"{prefix}.{name}"][0]), row[name])
    bands = gpd.read_file(folder / f"bands_{kind}.gpkg")
    assert (bands["band_level"] == 0.9).all()
    assert set(bands.geom_type) <= {"Polygon", "MultiPolygon"}


def test_curves_trace_to_their_file(plane, folder):
    (row,) = gpd.read_file(folder / "curves.gpkg").to_dict("records")
    for name in (
        "length",
        "average_gradient_mean",
        "average_curvature_q025",
        "gradient_p_positive",
    ):
        assert float(plane[1].data[f"curves.0.{name}"][0]) == row[name]
    pieces = gpd.read_file(folder / "segments.gpkg")
    # A quarter of the lengthscale, 30 m, is the longest piece: 80 m in eleven.
    assert int(plane[1].data["curves.segments"][0]) == len(pieces) == 11


def test_the_field_traces_to_its_file(plane, folder, given):
    with xr.open_dataset(folder / "surface.nc", engine="h5netcdf") as ds:
        mean = ds["dx"].sel(statistic="mean").to_numpy()
        flags = ds["dx_significant"].to_numpy()
    found = plane[1].data
    assert float(found["field.dx.max"][0]) == np.nanmax(mean)
    assert float(found["field.dx.share_positive"][0]) == np.mean(flags[np.isfinite(flags)] == 1)
    again = wb.load(folder / "fit.nc")
    npt.assert_array_equal(again.data.values, given.data.values)
    scores = pd.read_csv(folder / "check_scores.csv").iloc[0]
    npt.assert_allclose(float(found["check.rmse"][0]), scores["rmse"], rtol=1e-14)


def test_chapters_and_what_is_stated(plane):
    page = plane[1]
    chapters = ["data", "model", "convergence", "check", "field", "boundaries", "curves"]
    assert page.sections == [*chapters, "rule", "sensitivity", "limits", "origin"]
    text = " ".join(page.text)
    for stated in ("2024-02-29", "EPSG:28992", "a <b>bank", "Matern(nu=3.5)", "mg kg⁻¹", "fdr"):
        assert stated in text
    # A user's text is text: were it a tag it would not be read as one.
    assert "<b>" not in plane[0][0].read_text(encoding="utf-8")


def test_files_are_all_listed(plane, folder):
    assert {path.name for path in plane[0][1:]} == {path.name for path in folder.iterdir()}
    text = " ".join(plane[1].text)
    assert all(path.name in text for path in plane[0][1:])


def test_the_same_model_shifts_nothing_but_by_chance(plane, folder):
    table = pd.read_csv(folder / "sensitivity.csv", index_col=0)
    assert (table.loc["this report", ["value_shift", "slope_shift", "signs_changed"]] == 0).all()
    assert table.loc["this report", "sd_ratio"] == 1
    # Closed forms of the same hyperparameters: means do not depend on draws.
    assert table.loc["same", "slope_shift"] < 1e-12


def sections_text(*sections):
    return Page(render("", "", [], sections))


def test_a_report_of_draws_states_convergence_priors_and_seed(fitted):
    of = SimpleNamespace(posterior=fitted, settings=SimpleNamespace(seed=None))
    page = sections_text(convergence_section(of), model_section(of), origin_section(of, [], None))
    found, text = page.data, " ".join(page.text)
    table = fitted.summary()
    assert float(found["convergence.lengthscale.r_hat"][0]) == table.loc["lengthscale", "r_hat"]
    assert float(found["model.noise_sd.q975"][0]) == table.loc["noise_sd", "q975"]
    divergent = int(fitted.sample_stats["diverging"].sum())
    assert int(found["convergence.divergences"][0]) == divergent
    assert "inverse gamma" in text
    assert re.search(r"seed of the fit\s+5", text)


@pytest.fixture(scope="module")
def level():
    """A step in time, and its posterior."""
    rng = np.random.default_rng(3)
    days = pd.date_range("2024-01-01", periods=60)
    noise = 0.05 * rng.standard_normal(60)
    series = pd.Series(np.tanh((np.arange(60) - 25) / 5) + noise, index=days, name="level")
    return wb.FieldModel().condition(series, lengthscale=15.0, amplitude=1.0, noise_sd=0.05)


def test_the_same_seed_gives_the_same_page(level, tmp_path):
    pages = []
    for name in ("a", "b"):
        paths, _ = written(level, tmp_path / name)
        pages.append(paths[0].read_bytes())
    assert pages[0] == pages[1]


def test_a_report_on_a_line(level, tmp_path):
    paths, page = written(level, tmp_path)
    assert "curves" not in page.sections
    assert int(page.data["changes.count"][0]) == 1
    table = pd.read_csv(paths[0].parent / "report_data" / "change_points.csv")
    assert float(page.data["changes.0.position_sd"][0]) == table["position_sd"][0]
    assert table["position"][0][:10] in " ".join(page.text)
    with pytest.raises(ValueError, match="`curves` and `levels` are lines in the plane"):
        wb.report(level, tmp_path / "r.html", levels=[0.0])


def test_a_report_of_presence_and_absence(few_modes, tmp_path):
    rng = np.random.default_rng(4)
    s = rng.uniform(0, 100, (80, 2))
    y = (rng.uniform(size=80) < 1 / (1 + np.exp(-4 * np.tanh((s[:, 0] - 50) / 15)))).astype(int)
    model = wb.FieldModel(likelihood="bernoulli")
    post = model.condition((s, y), "seen <i>", lengthscale=40.0, amplitude=2.0)
    grid = wb.Grid.from_data((s, y), spacing=20.0)
    paths, page = written(post, tmp_path, grid=grid, levels=[0.0])
    assert "surface_response.nc" in {path.name for path in paths}
    text = " ".join(page.text)
    assert "Laplace's approximation errs most" in text
    assert "null_test() needs likelihood='gaussian'" in text
    assert "<i>" not in paths[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prominence": 0.3}, "`prominence` must lie in"),
        ({"null_replicates": 5}, "`null_replicates` must be at least 19"),
        ({"alpha": 2.0}, "alpha"),
        ({"rule": "best"}, "`rule` must be"),
        ({"sensitivity": True}, "these hyperparameters were given"),
    ],
)
def test_what_cannot_be_reported_is_refused(given, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        wb.report(given, tmp_path / "r.html", progress=False, **options)
    assert not list(tmp_path.iterdir())


def test_three_dimensions_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    solid = rng.uniform(size=(20, 3)), rng.standard_normal(20)
    post = wb.FieldModel().condition(solid, lengthscale=0.5, amplitude=1.0, noise_sd=0.5)
    with pytest.raises(ValueError, match="on a line or in the plane; these have 3 coordinates"):
        wb.report(post, tmp_path / "r.html")


def test_directions_are_those_of_the_gradient(zinc):
    """Values that rise along the diagonal; a line in any place is risen across at 45 degrees."""
    xy = zinc.geometry.get_coordinates().to_numpy()
    slope = zinc.assign(zinc=(xy - xy.mean(axis=0)).sum(axis=1) / 10)
    post = wb.FieldModel(trend="linear").condition(
        slope, "zinc", lengthscale=50.0, amplitude=1.0, noise_sd=0.01
    )
    lines = gpd.GeoDataFrame(geometry=[LINE], crs=zinc.crs)
    lines.attrs["womble"] = {"target": "surface"}
    npt.assert_allclose(rise_directions(post, lines), [45.0], atol=0.5)


@pytest.mark.parametrize(
    ("degrees", "word"), [(0, "E"), (45, "NE"), (100, "N"), (337.4, "SE"), (359, "E")]
)
def test_compass(degrees, word):
    assert compass(degrees) == word


def test_refits_vary_kernel_and_prior(fitted, coarse):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # 40 data: some have few effective draws
        others = refits(fitted, np.random.default_rng(0), False)
    kernels = ["Matern(nu=2.5)", "Matern(nu=4.5)", "SquaredExponential()"]
    priors = [f"prior of the lengthscale x {factor}" for factor in ("0.5", "2")]
    assert list(others) == [*kernels, *priors]
    short, long = (float(others[name].draws["lengthscale"].median()) for name in priors)
    assert short < long
    ds = fitted.surface(coarse, samples=40, rng=0, progress=False)
    options = {"samples": 40, "rule": "interval", "alpha": 0.05, "progress": False}
    table = compared(fitted, others, coarse, ds, rng=np.random.default_rng(0), **options)
    assert np.isfinite(table.drop(columns="units", errors="ignore")).all(axis=None)
    # Rougher paths have less certain slopes.
    assert table.loc[kernels[0], "sd_ratio"] > table.loc[kernels[2], "sd_ratio"]


def test_other_data_cannot_be_compared(given, zinc, coarse):
    fewer = wb.FieldModel().condition(
        zinc.iloc[:30], "zinc", lengthscale=30.0, amplitude=2.0, noise_sd=0.5
    )
    options = {"samples": 40, "rule": "interval", "alpha": 0.05, "progress": False}
    ds = xr.Dataset()
    with pytest.raises(ValueError, match="'fewer' has other sites"):
        compared(given, {"fewer": fewer}, coarse, ds, rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05, "0.05"),
        (1234567, "1,234,567"),
        (3.14159, "3.14"),
        (-12.345, "−12.3"),
        (1234.5, "1,234"),
        (0.99996, "1.000"),
        (2.5e-5, "2.50×10⁻⁵"),
        (0.0, "0"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
    ],
)
def test_shown(value, text):
    assert shown(value) == text


def test_more_digits_are_shown_where_they_matter():
    assert Number("r_hat", 1.00614, digits=4).text == "1.006"


def test_json_holds_what_is_not_finite(tmp_path):
    values = {"a": 1.5, "b": np.float64("nan"), "c": np.inf, "d": np.int64(3)}
    line = sentence("{} {} {} {}", *(Number(name, x) for name, x in values.items()))
    write_numbers([Section("s", "s", [line])], tmp_path)
    stored = json.loads((tmp_path / "numbers.json").read_text(), parse_constant=pytest.fail)
    assert stored == {"a": 1.5, "b": None, "c": "inf", "d": 3}


def test_covariates_have_coefficients(zinc):
    xy = zinc.geometry.get_coordinates()
    post = wb.FieldModel().condition(
        zinc.assign(**{"distance to road": xy["x"] - xy["x"].mean()}),
        "zinc",
        covariates=["distance to road"],
        lengthscale=30.0,
        amplitude=2.0,
        noise_sd=0.5,
    )
    page = sections_text(model_section(SimpleNamespace(posterior=post)))
    (row,) = post.coefficients().to_dict("records")
    assert float(page.data["coefficients.distance_to_road.q975"][0]) == row["q975"]
    assert "x<sub>i</sub>′γ" in render("", "", [], [model_section(SimpleNamespace(posterior=post))])


def test_units_shown():
    assert units_shown("mg kg-1 m-2") == "mg kg⁻¹ m⁻²"
    assert units_shown("(km-2)2") == "(km⁻²)²"
    assert units_shown("1") == units_shown(None) == ""


def test_numbers_have_places_and_names_of_their_own():
    with pytest.raises(ValueError, match="got 1 places and 2 numbers"):
        sentence("{}", Number("a", 1), Number("b", 2))
    twice = Section("s", "s", [sentence("{} {}", Number("a", 1), Number("a", 2))])
    with pytest.raises(ValueError, match="'a' occurs twice"):
        numbers([twice])
