//! A headless browser, driven as WebDriver (W3C) drives one: JSON over HTTP to chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A browser with one tab. Ends with this value.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts chromedriver and a browser; skips where they are not installed.
    #[track_caller]
    pub fn start() -> Option<Browser> {
        if super::is_left_out("browser") {
            return None;
        }
        // Chromedriver finds either by itself.
        let installed = ["chromium", "chromium-browser"].iter().any(|name| super::has(name));
        if !super::has("chromedriver") || !installed {
            super::skip("needs chromium and chromedriver (packages chromium, chromium-driver)");
            return None;
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            // «Starting ... on port 0», then «started successfully on port 38655.»
            .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok())
            .expect("chromedriver says its port");
        // Its pipe is read to the end, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,1400",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
            // In milliseconds; a page that shows hundreds of documents is busy for long on a busy machine.
            "timeouts": {"script": 90_000},
        }}});
        let value = browser.call("POST", "/session", &wanted);
        browser.session = value["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    pub fn open(&self, file: &Path) {
        self.post("/url", &json!({"url": format!("file://{}", file.display())}));
    }

    /// Gives files to `<input type=file>` of that id, as a person does who chooses them.
    pub fn choose(&self, id: &str, files: &[&Path]) {
        let found = self.post("/element", &json!({"using": "css selector", "value": format!("#{id}")}));
        let element = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        let names: Vec<_> = files.iter().map(|f| f.to_str().unwrap()).collect();
        self.post(&format!("/element/{element}/value"), &json!({"text": names.join("\n")}));
    }

    /// Runs a function body in the page; its result.
    pub fn script(&self, body: &str, arguments: Value) -> Value {
        self.post("/execute/sync", &json!({"script": body, "args": arguments}))
    }

    /// The same for a body that gives a promise.
    pub fn promise(&self, body: &str) -> Value {
        let script =
            format!("const done = arguments[0]; (async () => {{ {body} }})().then(done, (e) => done(String(e)))");
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression in the page is true.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        let start = Instant::now();
        while self.script(&format!("return Boolean({expression})"), json!([])) != json!(true) {
            assert!(start.elapsed() < Duration::from_secs(180), "never: {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Addresses of every request that the tab has begun since the last call.
    pub fn requests(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "performance"}));
        let events = log.as_array().unwrap().iter();
        events
            .filter_map(|entry| {
                let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let message = &event["message"];
                (message["method"] == "Network.requestWillBeSent")
                    .then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// What the page wrote to its console, errors of scripts included.
    pub fn console(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The whole page as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        use base64::Engine as _;
        let word = self.call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        base64::engine::general_purpose::STANDARD.decode(word.as_str().unwrap()).unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["value"]["error"].is_null(), "{method} {path}: {}", answer["value"]);
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
