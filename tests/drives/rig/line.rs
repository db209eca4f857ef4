//! A second line to the guest: a plain serial port, which a suspend to RAM does not cut. (A port over virtio is
//! closed by it: whoever reads from it sees its end.)

use std::cell::RefCell;
use std::path::PathBuf;

use super::plug::{Plug, Socket};

/// The port in qemu, and who obeys behind it. The same agent as in `guest/init`.
#[derive(Default)]
pub struct Line {
    socket: RefCell<PathBuf>,
}

impl Line {
    pub fn socket(&self) -> PathBuf {
        self.socket.borrow().clone()
    }
}

/// Obeys on ttyS1, in the background.
pub const OBEY: &str = r#"cat >/tmp/obey <<'END'
stty -F /dev/ttyS1 115200 raw -echo
exec 3<>/dev/ttyS1
echo "ready on the line" >&3
while read -r id command <&3; do
  printf %s "$command" | base64 -d >/tmp/line.command
  sh /tmp/line.command >/tmp/line.out 2>/tmp/line.err </dev/null 3<&-
  code=$?
  { printf '%s %s .' "$id" "$code"; base64 -w0 /tmp/line.out; printf ' .'; base64 -w0 /tmp/line.err; echo; } >&3
done
END
setsid sh /tmp/obey </dev/null >/dev/null 2>&1 3<&- &"#;

impl Plug for Line {
    fn plug(&self, sockets: &mut Socket) -> Vec<String> {
        let (path, id) = (sockets.path(), sockets.id());
        *self.socket.borrow_mut() = path.clone();
        let words = [
            "-chardev".to_owned(),
            format!("socket,id={id},path={},server=on,wait=off", path.display()),
            "-device".to_owned(),
            format!("isa-serial,chardev={id},index=1"),
        ];
        words.to_vec()
    }
}
