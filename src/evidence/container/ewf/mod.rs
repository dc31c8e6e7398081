//! stub
pub(super) fn starts_with_section(_: &[u8]) -> bool {
    false
}
pub(super) fn open(
    _: &super::Opener<'_>,
    first: super::Opened,
) -> Result<super::Parts, super::ContainerError> {
    Err(super::ContainerError::NotAnImage { path: super::shown(first.file.path()) })
}
