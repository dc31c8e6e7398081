pub(super) fn render(
    _run: &crate::report::RunManifest,
    _tally: &crate::report::tally::Tally,
) -> String {
    String::new()
}
