// fault: N1
#[test]
fn a_host_that_cannot_be_resolved_is_said_so_with_the_variable_that_chose_the_way() {
    assert_eq!(
        super::unreachable("h.example", None, &super::Why::Unresolved),
        "cannot resolve h.example"
    );
    assert_eq!(
        super::unreachable("h.example", Some("HTTPS_PROXY"), &super::Why::Unresolved),
        "via the proxy from HTTPS_PROXY: cannot resolve h.example"
    );
}
