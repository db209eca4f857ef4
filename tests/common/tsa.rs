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
[sha1]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha1
[tsa_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[other_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[key_ext]
subjectKeyIdentifier = hash
extendedKeyUsage = critical,timeStamping
[uncritical_ext]
extendedKeyUsage = timeStamping
[two_ext]
extendedKeyUsage = critical,timeStamping,serverAuth
[unknown_ext]
extendedKeyUsage = critical,timeStamping
1.2.3.4 = critical,ASN1:NULL
[none_ext]
basicConstraints = critical,CA:FALSE
[between_ext]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
[last_ext]
basicConstraints = critical,CA:TRUE,pathlen:0
extendedKeyUsage = critical,timeStamping
[named_ext]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
nameConstraints = critical,permitted;DNS:example.org
[directory_ext]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
nameConstraints = critical,permitted;dirName:dn
[barred_ext]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
nameConstraints = critical,excluded;dirName:dn
[mail_ext]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
nameConstraints = critical,permitted;email:example.org,excluded;URI:.example.com
[host_tsa_ext]
extendedKeyUsage = critical,timeStamping
subjectAltName = DNS:tsa.example.org
[mail_tsa_ext]
extendedKeyUsage = critical,timeStamping
subjectAltName = email:tsa@example.org
[uri_tsa_ext]
extendedKeyUsage = critical,timeStamping
subjectAltName = URI:https://tsa.example.org/
[ca]
default_ca = issuer
[issuer]
database = index.txt
new_certs_dir = .
default_md = sha256
rand_serial = yes
unique_subject = no
policy = policy
[policy]
commonName = supplied
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
        self.reply_as("here", question, answer);
    }

    /// The same by another section of the configuration: `sha1` names the signer by SHA-1.
    pub fn reply_as(&self, section: &str, question: &Path, answer: &Path) {
        let (question, answer) = (question.to_str().unwrap(), answer.to_str().unwrap());
        let base = ["ts", "-reply", "-queryfile", question, "-out", answer, "-config", "tsa.cnf"];
        openssl(&self.folder, &[&base[..], &["-section", section]].concat());
    }

    /// A certificate by the CA, or by one that was issued before, with a key of its own, `NAME.pem` and `NAME.key`,
    /// valid from 2020 to 2049. `key` is what openssl makes the key of, `more` what it signs with.
    pub fn issue(&self, name: &str, key: &str, extensions: &str, by: &str, more: &str) {
        std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("index.txt")).unwrap();
        let run = |args: &str| openssl(&self.folder, &args.split_whitespace().collect::<Vec<_>>());
        run(&format!(
            "req -new -newkey {key} -nodes -keyout {name}.key -out {name}.csr -config tsa.cnf -subj /CN=Test-{name}"
        ));
        run(&format!(
            "ca -batch -notext -config tsa.cnf -in {name}.csr -out {name}.pem -cert {by}.pem \
             -keyfile {by}.key -startdate 20200101000000Z -enddate 20491231235959Z -extensions {extensions} {more}"
        ));
    }

    /// A token over a time-stamp's content, signed with one of these certificates, whatever that may sign.
    pub fn token(&self, content: &[u8], signer: &str, more: &str) -> Vec<u8> {
        std::fs::write(self.folder.join("content"), content).unwrap();
        let args = format!(
            "cms -sign -binary -nodetach -nosmimecap -econtent_type 1.2.840.113549.1.9.16.1.4 -in content -outform DER \
             -out token -signer {signer}.pem -inkey {signer}.key {more}"
        );
        openssl(&self.folder, &args.split_whitespace().collect::<Vec<_>>());
        std::fs::read(self.folder.join("token")).unwrap()
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
