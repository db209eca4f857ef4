//! A time-stamping authority (RFC 3161) of the test's own: openssl answers, a small server carries.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Authority {
    pub folder: PathBuf,
    pub url: String,
}

const CONFIG: &str = "
[tsa]
default_tsa = here
[here]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
[tsa_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[other_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Test CA
[ca_ext]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
";

impl Authority {
    /// Makes a CA and an authority's certificate below it, and answers on a port of its own.
    /// `extensions`: `tsa_ext`, or `other_ext` for a certificate that may not stamp times.
    pub fn start(folder: &Path, extensions: &str) -> Authority {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("tsa.cnf"), CONFIG).unwrap();
        std::fs::write(folder.join("serial"), "01\n").unwrap();
        let run = |args: &str| openssl(folder, &args.split(' ').collect::<Vec<_>>());
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        run(&format!("req -x509 {curve} -keyout ca.key -out ca.pem -days 30 -config tsa.cnf -extensions ca_ext"));
        run(&format!("req -new {curve} -keyout tsa.key -out tsa.csr -config tsa.cnf -subj /CN=Test-TSA"));
        run(&format!(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 -extfile tsa.cnf \
             -extensions {extensions}"
        ));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        let place = folder.to_owned();
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                answer(&place, n, stream);
            }
        });
        Authority { folder: folder.to_owned(), url }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The answer to a question in a file.
    pub fn reply(&self, question: &Path, answer: &Path) {
        let (question, answer) = (question.to_str().unwrap(), answer.to_str().unwrap());
        openssl(&self.folder, &["ts", "-reply", "-queryfile", question, "-out", answer, "-config", "tsa.cnf"]);
    }
}

fn openssl(folder: &Path, args: &[&str]) {
    let done = Command::new("openssl").current_dir(folder).args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn answer(folder: &Path, n: usize, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) && line != "\r\n" {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut question = vec![0; length];
    reader.read_exact(&mut question).unwrap();
    let (query, reply) = (folder.join(format!("{n}.tsq")), folder.join(format!("{n}.tsr")));
    std::fs::write(&query, question).unwrap();
    let (query, reply) = (query.to_str().unwrap(), reply.to_str().unwrap());
    openssl(folder, &["ts", "-reply", "-queryfile", query, "-out", reply, "-config", "tsa.cnf"]);
    let body = std::fs::read(reply).unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}
