//! An organization with its people, each with a key and roles of their own.

use std::path::PathBuf;

use lastwrite::register::{Act, Database, Grant, REGISTER_STREAM, Register, Role};
use lastwrite::signed::StationKey;
use serde_json::Value;

use crate::common::station::{Station, both, json_lines, text};

/// Everybody, with their roles. Anna has none: she uses a laptop.
const PEOPLE: [(&str, &[Role]); 6] = [
    ("Mia", &[Role::AssetManager]),
    ("Fin", &[Role::Finance]),
    ("Cora", &[Role::Compliance]),
    ("Tom", &[Role::Technician]),
    ("Ida", &[Role::ItadOperator]),
    ("Anna", &[]),
];

pub struct Org {
    pub station: Station,
}

impl Org {
    pub fn new() -> Org {
        let org = Org { station: Station::new() };
        std::fs::create_dir_all(org.station.state().join("register")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let at = Database::File(org.station.state().join("register/register.db"));
            let admin = StationKey::generate().unwrap();
            admin.save_new(&org.key("Ada"), None).unwrap();
            let mut register = Register::init(&at, "Example Org", "Ada", &[], &admin).await.unwrap();
            let mut keys = Vec::new();
            for (name, _) in PEOPLE {
                let key = StationKey::generate().unwrap();
                key.save_new(&org.key(name), None).unwrap();
                keys.push((key.kid().to_owned(), key.public().x()));
            }
            let enrol = register.run(&admin, async |work| {
                for ((name, roles), (kid, x)) in PEOPLE.iter().zip(&keys) {
                    let enrolled = Act::PersonEnrolled { kid: kid.clone(), x: x.clone(), name: (*name).to_owned() };
                    work.act(REGISTER_STREAM, enrolled).await?;
                    for role in *roles {
                        let grant = Grant { role: *role, location: None };
                        work.act(REGISTER_STREAM, Act::RoleGranted { kid: kid.clone(), grant }).await?;
                    }
                }
                Ok(())
            });
            enrol.await.unwrap();
        });
        org
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.station.path(&format!("{}.pem", name.to_lowercase()))
    }

    pub fn kid(&self, name: &str) -> String {
        StationKey::load(&self.key(name), None).unwrap().kid().to_owned()
    }

    /// Runs as that person and expects this exit code; what was told on both outputs.
    pub fn by(&self, who: &str, code: i32, args: &[&str]) -> String {
        both(&self.station.expect(code, &[args, &["--key", text(&self.key(who))]].concat()))
    }

    /// The manager does it.
    pub fn mia(&self, args: &[&str]) -> String {
        self.by("Mia", 0, args)
    }

    /// That it is refused, in these words.
    #[track_caller]
    pub fn refused(&self, who: &str, words: &str, args: &[&str]) {
        let told = self.by(who, 3, args);
        assert!(told.contains(words), "{args:?} as {who}: {words:?} is not in {told}");
    }

    pub fn json(&self, who: &str, code: i32, args: &[&str]) -> Vec<Value> {
        let key = self.key(who);
        let all = [&["--json"], args, &["--key", text(&key)]].concat();
        json_lines(&self.station.expect(code, &all).stdout)
    }

    /// The state of an asset.
    pub fn asset(&self, tag: &str) -> Value {
        self.json("Mia", 0, &["asset", "show", tag])[0]["asset"].clone()
    }

    /// The state of what has a name of its own.
    pub fn record(&self, kind: &str, name: &str) -> Value {
        let command = match kind {
            "request" => "procure",
            "lot" => "dispose",
            other => other,
        };
        self.json("Mia", 0, &[command, "show", name])[0].clone()
    }

    /// A file with some words.
    pub fn file(&self, name: &str, words: &str) -> PathBuf {
        let path = self.station.path(name);
        std::fs::write(&path, words).unwrap();
        path
    }

    /// A policy, proposed by Cora and approved by a second member of compliance.
    pub fn policy(&self, stage: &str, rules: &[&str]) {
        let words = self.file("policy.txt", &format!("What holds in {stage}."));
        let propose = [&["stage-policy", "propose", stage, "--title", "Ours", "--text", text(&words)], rules].concat();
        let made = self.json("Cora", 0, &propose);
        let version = made[0]["policy"]["version"].as_u64().unwrap().to_string();
        self.second_compliance();
        self.by("Mia", 0, &["stage-policy", "approve", stage, &version]);
    }

    /// Mia helps out in compliance: the second person for policies.
    pub fn second_compliance(&self) {
        let mia = self.kid("Mia");
        // Twice is refused, and that is fine.
        self.station.run(&["role", "grant", &mia, "compliance", "--key", text(&self.key("Ada"))]);
    }

    /// A standard model, and a vendor who sells it.
    pub fn catalogue(&self) {
        self.mia(&[
            "model",
            "set",
            "Lenovo",
            "T14",
            "--category",
            "laptop",
            "--standard",
            "--life",
            "48",
            "--price",
            "1200 EUR",
            "--salvage",
            "10%",
            "--end-of-support",
            "2031-06-30",
            "--weight",
            "1.4kg",
        ]);
        self.mia(&["vendor", "set", "Kaufhaus IT", "--kind", "supplier"]);
    }

    /// Asked for by Tom, granted by Fin, ordered by Mia.
    pub fn ordered(&self, number: &str, quantity: &str) {
        self.by(
            "Tom",
            0,
            &[
                "procure",
                "request",
                number,
                "--kind",
                "need",
                "--need",
                "A new colleague needs a laptop",
                "--what",
                "Lenovo T14",
                "--quantity",
                quantity,
                "--price",
                "1200 EUR",
                "--delivery",
                "20 EUR",
                "--setup",
                "80 EUR",
                "--support",
                "150 EUR",
            ],
        );
        self.by("Fin", 0, &["procure", "approve", number]);
        self.mia(&[
            "procure",
            "order",
            number,
            "--vendor",
            "Kaufhaus IT",
            "--order",
            "PO-77",
            "--on",
            "2026-02-01",
            "--price",
            "1150 EUR",
            "--delivery",
            "20 EUR",
            "--setup",
            "80 EUR",
            "--support",
            "150 EUR",
            "--warranty",
            "36",
        ]);
    }

    /// An asset in use by Anna, that never had a request.
    pub fn in_use(&self, tag: &str) {
        self.mia(&["asset", "add", tag, "--stage", "deployment", "--data-class", "internal", "--category", "laptop"]);
        self.by("Tom", 0, &["asset", "check", tag, "tagged"]);
        self.by("Tom", 0, &["asset", "assign", tag, "--to", "Anna"]);
        self.mia(&["asset", "move", tag, "utilization"]);
    }

    /// Ticks every step of decommissioning.
    pub fn ticked(&self, tag: &str) {
        let steps = [
            "data_backup",
            "licence_removal",
            "network_disconnect",
            "credential_revoke",
            "mdm_release",
            "asset_label_removed",
        ];
        self.by("Tom", 0, &[&["asset", "check", tag][..], &steps].concat());
    }

    /// A practice asset with one image in it, in disposition on a lot.
    pub fn on_lot(&self, tag: &str, data_class: &str, route: &str, lot: &str) -> PathBuf {
        let image = self.station.image(&format!("{tag}.img"), 1 << 16);
        let add = ["asset", "add", tag, "--class", "virtual", "--data-class", data_class, "--stage", "decommissioning"];
        self.mia(&add);
        self.by("Tom", 0, &["media", "add", tag, "--drive", text(&image)]);
        self.by("Tom", 0, &["asset", "count", tag, "1"]);
        self.ticked(tag);
        self.by("Ida", 0, &["asset", "route", tag, route, "--order", lot]);
        self.by("Ida", 0, &["asset", "move", tag, "disposition"]);
        image
    }

    /// Wipes an image and brings the certificate in. What the register says to it.
    pub fn wiped(&self, image: &std::path::Path) -> Value {
        let told = self.station.json(0, &["wipe", text(image), "--yes", "--operator", "Otto"]);
        let certificate = told[0]["certificate"].as_str().unwrap();
        self.json("Ida", 0, &["register", "ingest", certificate])[0].clone()
    }

    /// That the register is sound, and made anew from its events is the same.
    pub fn sound(&self) {
        let audit = &self.json("Mia", 0, &["register", "audit"])[0];
        assert_eq!(audit["good"], true, "{audit}");
        self.mia(&["register", "rebuild"]);
        assert_eq!(self.json("Mia", 0, &["register", "audit"])[0], *audit);
    }
}
