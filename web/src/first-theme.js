// Runs before the page is drawn, so that no other theme flashes first. Kept out of the bundle for that reason.
(function () {
  var theme = null;
  try {
    theme = localStorage.getItem("drivetrain.theme");
  } catch (e) {
    // Storage is switched off: the system's theme it is.
  }
  if (theme !== "light" && theme !== "dark") {
    theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.dataset.theme = theme;
})();
