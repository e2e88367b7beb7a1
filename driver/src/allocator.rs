//! The C library's allocator, as a driver needs it: large results pass through, and what was
//! allocated for them on many threads would stay with the process.

/// Number of the parameter "size from which an allocation is given back when it is freed".
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: std::ffi::c_int = -3;

/// Most pieces of results and messages with them are of this size or more.
#[cfg(target_env = "gnu")]
const LARGE: std::ffi::c_int = 1 << 20;

/// Gives large allocations back to the operating system as soon as they are freed. By itself the
/// allocator would raise the size that counts as large with each of them.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a function of the C library that Rust has no safe name for")]
pub(crate) fn give_back_large() {
    unsafe extern "C" {
        fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
    }
    // SAFETY: `mallopt` takes two numbers, and glibc allows it at any time. If it refuses them,
    // memory is given back later.
    let _ = unsafe { mallopt(MMAP_THRESHOLD, LARGE) };
}

/// Other C libraries do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back_large() {}
