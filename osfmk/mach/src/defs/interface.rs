//! The macro [`interface`]: from one declaration to ids, messages, client stubs, server and layout.
//!
//! ```text
//! interface! {
//!     subsystem mach_vm = 4800;
//!     /// Doc comment of the routine.
//!     routine 4811 "mach_vm_map" map [object: Port<COPY_SEND>] {
//!         address: u64, size: u64,
//!     } -> [] { address: u64 };
//!     simpleroutine 65 "mach_notify_port_deleted" port_deleted [] { name: PortName };
//! }
//! ```
//!
//! Brackets hold the arguments that travel in descriptors, braces those that travel inline, both in
//! the order of the message.

macro_rules! interface {
    (
        subsystem $subsystem:ident = $base:literal;
        $(
            $(#[$meta:meta])*
            $class:ident $id:literal $name:literal $routine:ident
            [$($rd:ident: $rdk:ty),* $(,)?] { $($rf:ident: $rft:ty),* $(,)? }
            $(-> [$($pd:ident: $pdk:ty),* $(,)?] { $($pf:ident: $pft:ty),* $(,)? })?;
        )*
    ) => {
        /// The id from which the routines are numbered.
        pub const BASE: i32 = $base;

        $(
            #[doc = concat!("`", $name, "`, id ", $id, ".")]
            #[doc = ""]
            $(#[$meta])*
            pub mod $routine {
                #[allow(unused_imports)]
                use $crate::defs::prelude::*;

                /// Id of the request; a reply has 100 more.
                pub const ID: i32 = $id;

                $crate::defs::interface::body! {
                    #[doc = concat!("Request of `", $name, "`.")]
                    Request [$($rd: $rdk),*] { $($rf: $rft),* }
                }

                $crate::defs::interface::request_codec! {
                    $name, [$($rd: $rdk),*] { $($rf: $rft),* }
                }

                /// Layout of the request.
                pub const REQUEST_LAYOUT: MessageLayout = $crate::defs::interface::layout! {
                    false, [$($rd: $rdk),*] { $($rf: $rft),* }
                };

                $(
                    $crate::defs::interface::body! {
                        #[doc = concat!("Reply of `", $name, "`.")]
                        Reply [$($pd: $pdk),*] { $($pf: $pft),* }
                    }

                    $crate::defs::interface::reply_codec! {
                        [$($pd: $pdk),*] { $($pf: $pft),* }
                    }

                    /// Layout of the reply.
                    pub const REPLY_LAYOUT: MessageLayout = $crate::defs::interface::layout! {
                        true, [$($pd: $pdk),*] { $($pf: $pft),* }
                    };
                )?

                $crate::defs::interface::answered! { [$($rd)*] $([$($pd)*])? }
            }
        )*

        /// The server's side. What is not implemented answers `MIG_BAD_ID`.
        #[allow(unused_variables)]
        pub trait Server<C: $crate::message::Carrier> {
            $(
                #[doc = concat!("Serves `", $name, "`.")]
                ///
                /// # Errors
                /// The code to answer with; `MIG_NO_REPLY` if the answer comes later.
                fn $routine(
                    &mut self,
                    call: &mut $crate::defs::Call<C>,
                    request: $crate::defs::interface::typed!(Request $routine [$($rd)*]),
                ) -> $crate::Result<
                    $crate::defs::interface::result_type!($routine $([$($pd)*])?)
                > {
                    Err($crate::KernReturn::MIG_BAD_ID)
                }
            )*
        }

        /// Gives a message to the method of `server` that its id names.
        pub fn demux<C: $crate::message::Carrier, S: Server<C> + ?Sized>(
            server: &mut S,
            mut message: $crate::message::Message<C>,
        ) -> $crate::defs::Outcome<C> {
            match message.id {
                $(
                    $id => {
                        let mut call = $crate::defs::Call::of(&mut message);
                        let result = $crate::defs::RequestBody::from_message(message)
                            .and_then(|request| server.$routine(&mut call, request));
                        $crate::defs::interface::finish!($class, call, result)
                    }
                )*
                _ => $crate::defs::Outcome::NotMine(message),
            }
        }

        /// Every routine of the interface.
        pub const LAYOUT: &[$crate::defs::layout::RoutineLayout] = &[
            $(
                $crate::defs::layout::RoutineLayout {
                    id: $id,
                    name: $name,
                    request: $routine::REQUEST_LAYOUT,
                    reply: $crate::defs::interface::reply_layout!($class, $routine),
                },
            )*
        ];
    };
}

/// The structure of a request or reply: generic only when it carries something.
macro_rules! body {
    (#[$meta:meta] $body:ident [] { $($f:ident: $ft:ty),* }) => {
        #[$meta]
        #[allow(missing_docs)]
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $body {
            $(pub $f: $ft,)*
        }
    };
    (#[$meta:meta] $body:ident [$($d:ident: $dk:ty),+] { $($f:ident: $ft:ty),* }) => {
        #[$meta]
        #[allow(missing_docs)]
        pub struct $body<C: Carrier> {
            $(pub $d: <$dk as Kind<C>>::Value,)+
            $(pub $f: $ft,)*
        }

        impl<C: Carrier> core::fmt::Debug for $body<C> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($body))
                    $(.field(stringify!($f), &self.$f))*
                    .finish_non_exhaustive()
            }
        }
    };
}

/// `Request` or `Request<C>`, of a routine's module or the current one.
macro_rules! typed {
    ($body:ident $module:ident []) => { $module::$body };
    ($body:ident $module:ident [$($d:ident)+]) => { $module::$body<C> };
    ($body:ident []) => { $body };
    ($body:ident [$($d:ident)+]) => { $body<C> };
}

macro_rules! result_type {
    ($module:ident) => { () };
    ($module:ident [$($d:ident)*]) => { $crate::defs::interface::typed!(Reply $module [$($d)*]) };
}

macro_rules! request_codec {
    ($name:literal, [$($d:ident: $dk:ty),*] { $($f:ident: $ft:ty),* }) => {
        impl<C: Carrier> RequestBody<C> for $crate::defs::interface::typed!(Request [$($d)*]) {
            const ID: i32 = ID;
            const NAME: &'static str = $name;

            fn into_message(
                self,
                destination: Carried<C::Right>,
                reply: Carried<C::Right>,
            ) -> Message<C> {
                #[allow(unused_mut)]
                let mut message = Message::new(ID, destination, reply);
                $(<$dk as Kind<C>>::put(self.$d, &mut message);)*
                #[allow(unused_mut)]
                let mut inline = Gathered::new(&mut message.inline);
                if !REQUEST_LAYOUT.inline.is_empty() {
                    inline.extend_bytes(&rpc::NDR);
                }
                $(Field::put(&self.$f, &mut inline);)*
                inline.finish();
                message
            }

            fn from_message(mut message: Message<C>) -> Result<Self> {
                let (complex, inline) =
                    (REQUEST_LAYOUT.is_complex(), !REQUEST_LAYOUT.inline.is_empty());
                #[allow(unused_mut)]
                let (mut descriptors, mut bytes) =
                    rpc::open_request(&mut message, complex, inline)?;
                $(let $d = <$dk as Kind<C>>::get(&mut descriptors)?;)*
                descriptors.finish()?;
                $(let $f = Field::get(&mut bytes)?;)*
                rpc::close(bytes)?;
                Ok(Self { $($d,)* $($f,)* })
            }
        }
    };
}

macro_rules! reply_codec {
    ([$($d:ident: $dk:ty),*] { $($f:ident: $ft:ty),* }) => {
        impl<C: Carrier> ReplyBody<C> for $crate::defs::interface::typed!(Reply [$($d)*]) {
            const ID: i32 = ID + 100;

            fn into_message(self, destination: Carried<C::Right>) -> Message<C> {
                #[allow(unused_mut)]
                let mut message = Message::new(ID + 100, destination, Carried::Null);
                $(<$dk as Kind<C>>::put(self.$d, &mut message);)*
                let mut inline = Gathered::new(&mut message.inline);
                if !REPLY_LAYOUT.is_complex() {
                    inline.extend_bytes(&rpc::NDR);
                    Field::put(&KernReturn::SUCCESS, &mut inline);
                } else if !REPLY_LAYOUT.inline.is_empty() {
                    inline.extend_bytes(&rpc::NDR);
                }
                $(Field::put(&self.$f, &mut inline);)*
                inline.finish();
                message
            }

            fn from_message(mut message: Message<C>) -> Result<Self> {
                let (complex, inline) =
                    (REPLY_LAYOUT.is_complex(), !REPLY_LAYOUT.inline.is_empty());
                #[allow(unused_mut)]
                let (mut descriptors, mut bytes) =
                    rpc::open_reply(&mut message, ID + 100, complex, inline)?;
                $(let $d = <$dk as Kind<C>>::get(&mut descriptors)?;)*
                descriptors.finish()?;
                $(let $f = Field::get(&mut bytes)?;)*
                rpc::close(bytes)?;
                Ok(Self { $($d,)* $($f,)* })
            }
        }
    };
}

/// The request's reply, if it has one.
macro_rules! answered {
    ([$($rd:ident)*]) => {};
    ([$($rd:ident)*] [$($d:ident)*]) => {
        impl<C: Carrier> Routine<C> for $crate::defs::interface::typed!(Request [$($rd)*]) {
            type Reply = $crate::defs::interface::typed!(Reply [$($d)*]);
        }
    };
}

macro_rules! layout {
    ($is_reply:literal, [$($d:ident: $dk:ty),*] { $($f:ident: $ft:ty),* }) => {
        MessageLayout {
            is_reply: $is_reply,
            descriptors: &[
                $(part_descriptor(
                    stringify!($d),
                    <$dk as $crate::defs::descriptor::KindLayout>::LAYOUT,
                ),)*
            ],
            inline: &[
                $(FieldLayout { name: stringify!($f), parts: <$ft as Field>::PARTS },)*
            ],
        }
    };
}

macro_rules! finish {
    (routine, $call:ident, $result:ident) => {
        $call.answer($result)
    };
    (simpleroutine, $call:ident, $result:ident) => {{
        let _ = ($call, $result);
        $crate::defs::Outcome::Handled(None)
    }};
}

macro_rules! reply_layout {
    (routine, $routine:ident) => {
        Some($routine::REPLY_LAYOUT)
    };
    (simpleroutine, $routine:ident) => {
        None
    };
}

pub(crate) use {
    answered, body, finish, interface, layout, reply_codec, reply_layout, request_codec,
    result_type, typed,
};
