//! What the kernel asks the file server. Own interface, subsystem 2900.
//!
//! Names, attributes and directories only: file *data* moves between kernel and pager as pages
//! ([`pager`](super::pager)), on the memory object that [`open`] gives. A server that fails a call
//! answers with an errno in a `kern_return` ([`KernReturn::from_errno`]). After open the kernel's idea
//! of the size is the truth; it is told by [`set_size`], in order with the returned pages.

use super::prelude::*;

interface! {
    subsystem file_server = 2900;

    /// The top directory of a mounted tree (0: the root).
    routine 2900 "file_server_root" root [] { mount: u32 }
    -> [] { file: FileHandle, attributes: FileAttributes };

    /// The file a directory calls by a name; `..` and `.` are names too.
    routine 2901 "file_server_lookup" lookup [] { directory: FileHandle, name: CString<256> }
    -> [] { file: FileHandle, attributes: FileAttributes };

    /// What `stat` shows.
    routine 2902 "file_server_get_attributes" get_attributes [] { file: FileHandle }
    -> [] { attributes: FileAttributes };

    /// Sets the attributes named by the bits of [`attribute`](crate::file::attribute).
    routine 2903 "file_server_set_attributes" set_attributes [] {
        file: FileHandle, mask: u32, attributes: FileAttributes,
    } -> [] { attributes: FileAttributes };

    /// Entries from position `from`, as Darwin's 64-bit directory records, at most `capacity` bytes;
    /// each record's `d_seekoff` is the position after it. None: the end.
    routine 2904 "file_server_read_directory" read_directory [] {
        directory: FileHandle, from: u64, capacity: u32,
    } -> [] { records: Array<u8, 8192> };

    /// The text of a symbolic link.
    routine 2905 "file_server_read_link" read_link [] { file: FileHandle }
    -> [] { target: CString<1024> };

    /// The memory object of a regular file; always the same one while it lives.
    routine 2906 "file_server_open" open [] { file: FileHandle, mode: u32 }
    -> [memory_object: Port<MAKE_SEND>] { attributes: FileAttributes };

    /// Makes a regular file.
    routine 2907 "file_server_create" create [] {
        directory: FileHandle, mode: u32, flags: u32, name: CString<256>,
    } -> [] { file: FileHandle, attributes: FileAttributes };

    /// Makes a directory.
    routine 2908 "file_server_make_directory" make_directory [] {
        directory: FileHandle, mode: u32, name: CString<256>,
    } -> [] { file: FileHandle, attributes: FileAttributes };

    /// Removes a name; bits of [`remove_flag`](crate::file::remove_flag).
    routine 2909 "file_server_remove" remove [] {
        directory: FileHandle, flags: u32, name: CString<256>,
    } -> [] {};

    /// Gives a file another name.
    routine 2910 "file_server_rename" rename [] {
        from_directory: FileHandle, to_directory: FileHandle,
        from_name: CString<256>, to_name: CString<256>,
    } -> [] {};

    /// Gives a file one more name.
    routine 2911 "file_server_link" link [] {
        file: FileHandle, directory: FileHandle, name: CString<256>,
    } -> [] { attributes: FileAttributes };

    /// Makes a symbolic link.
    routine 2912 "file_server_symbolic_link" symbolic_link [] {
        directory: FileHandle, name: CString<256>, target: CString<1024>,
    } -> [] { file: FileHandle, attributes: FileAttributes };

    /// The size is this now.
    routine 2913 "file_server_set_size" set_size [] { file: FileHandle, size: u64 } -> [] {};

    /// Everything returned so far is to be durable.
    routine 2914 "file_server_synchronize" synchronize [] { file: FileHandle, flags: u32 }
    -> [] {};

    /// The kernel gives back what it knew of the file by so many answers: each handle in an answer counts one. When all are
    /// given back, the kernel knows the file no more; its memory object may go on a while.
    simpleroutine 2915 "file_server_forget" forget [] { file: FileHandle, answers: u64 };

    /// The last open of the file is gone.
    simpleroutine 2916 "file_server_close" close [] { file: FileHandle };

    /// Size and use of the file system.
    routine 2917 "file_server_get_file_system" get_file_system [] { file: FileHandle }
    -> [] { info: FileSystemInfo };
}
