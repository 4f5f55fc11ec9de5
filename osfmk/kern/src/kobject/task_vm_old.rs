//! `vm_map` on a task port: the older names of the memory calls, served by the newer ones.

use ipc::KernelCarrier;
use mach::Result;
use mach::defs::mach_vm::{self, Server};
use mach::defs::{Call, vm_map};

use super::task_vm::VmServer;

/// Serves the older calls.
pub(super) struct OldVmServer<'a>(pub(super) VmServer<'a>);

/// The routine's request, field by field, as the newer routine's; its reply likewise.
macro_rules! forward {
    ($old:ident { $($field:ident),* } => $new:ident -> { $($result:ident),* }) => {
        fn $old(&mut self, call: &mut Call<KernelCarrier>, request: vm_map::$old::Request) -> Result<vm_map::$old::Reply> {
            let vm_map::$old::Request { $($field),* } = request;
            #[allow(unused_variables)]
            let reply = self.0.$new(call, mach_vm::$new::Request { $($field),* })?;
            Ok(vm_map::$old::Reply { $($result: reply.$result),* })
        }
    };
}

impl vm_map::Server<KernelCarrier> for OldVmServer<'_> {
    forward!(allocate { address, size, flags } => allocate -> { address });
    forward!(deallocate { address, size } => deallocate -> {});
    forward!(protect { address, size, set_maximum, new_protection } => protect -> {});
    forward!(inherit { address, size, new_inheritance } => inherit -> {});
    forward!(copy { source_address, size, dest_address } => copy -> {});
    forward!(read_overwrite { address, size, data } => read_overwrite -> { outsize });
    forward!(msync { address, size, sync_flags } => msync -> {});
    forward!(behavior_set { address, size, new_behavior } => behavior_set -> {});
    forward!(map_page_query { offset } => page_query -> { disposition, ref_count });
    forward!(region_recurse_64 { address, nesting_depth, info_cnt } => region_recurse -> { address, size, nesting_depth, info });
    forward!(purgable_control { address, control, state } => purgable_control -> { state });

    fn map_64(
        &mut self,
        call: &mut Call<KernelCarrier>,
        request: vm_map::map_64::Request<KernelCarrier>,
    ) -> Result<vm_map::map_64::Reply> {
        let vm_map::map_64::Request {
            object,
            address,
            size,
            mask,
            flags,
            offset,
            copy,
            cur_protection,
            max_protection,
            inheritance,
        } = request;
        let reply = self.0.map(
            call,
            mach_vm::map::Request {
                object,
                address,
                size,
                mask,
                flags,
                offset,
                copy,
                cur_protection,
                max_protection,
                inheritance,
            },
        )?;
        Ok(vm_map::map_64::Reply {
            address: reply.address,
        })
    }
}
