//! Limits. XNU: `bsd/sys/syslimits.h`, `bsd/sys/param.h`.

macro_rules! limits {
    ($($name:ident = $value:expr, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: usize = $value;)*
    };
}

limits! {
    PATH_MAX = 1024, "Bytes of a path, its NUL included";
    NAME_MAX = 255, "Bytes of a name";
    ARG_MAX = 1024 * 1024, "Bytes of arguments and environment";
    OPEN_MAX = 10240, "Open files of a process";
    CHILD_MAX = 266, "Processes of a user";
    PIPE_BUF = 512, "Bytes a pipe takes at once";
    IOV_MAX = 1024, "Pieces of a scattered transfer";
    NGROUPS_MAX = 16, "Groups of a user";
    MAXSYMLINKS = 32, "Symbolic links in a path";
    MAXCOMLEN = 16, "Bytes of a program's short name";
}
