//! The extensions, queues and trunks of the simulated office. Names are invented. Numbers are an Italian area code and
//! `000xxx`, which is not assigned, so they reach nobody. IP addresses are those reserved by RFC 5737.

use fastrand::Rng;

/// A telephone and its owner.
#[derive(Debug, Clone)]
pub(super) struct Extension {
    pub(super) number: String,
    pub(super) name: &'static str,
    /// The owner's user name; `None` for a shared telephone.
    pub(super) username: Option<&'static str>,
    pub(super) agent: &'static str,
    pub(super) registered: bool,
    pub(super) dnd: bool,
    /// Unconditional forwarding; empty if off.
    pub(super) forward: String,
    /// The numbers of new and old messages; `None` without a mailbox.
    pub(super) mailbox: Option<(u32, u32)>,
}

impl Extension {
    /// Returns the user's presence, and the number that calls are forwarded to; empty without forwarding.
    pub(super) fn presence(&self) -> (&'static str, &str) {
        match (self.dnd, self.forward.as_str()) {
            (true, _) => ("dnd", ""),
            (false, "") => ("online", ""),
            (false, to) => ("callforward", to),
        }
    }
}

/// A queue and its agents.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) number: &'static str,
    pub(super) name: &'static str,
    pub(super) members: Vec<Member>,
    pub(super) completed: u32,
    pub(super) abandoned: u32,
}

/// An agent of a queue. Times are in Unix seconds; 0 means never.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) extension: usize,
    pub(super) dynamic: bool,
    pub(super) paused: bool,
    pub(super) calls: u32,
    pub(super) last_call: i64,
    pub(super) paused_at: i64,
    pub(super) resumed_at: i64,
}

/// A trunk to the public telephone network.
#[derive(Debug, Clone)]
pub(super) struct Trunk {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) registered: bool,
}

pub(super) const PARKINGS: [&str; 3] = ["71", "72", "73"];

const PEOPLE: [(&str, Option<&str>, &str); 12] = [
    ("Ada Neri", Some("ada"), "Yealink SIP-T46U 108.86.0.90"),
    ("Bruno Galli", Some("bruno"), "Yealink SIP-T54W 96.86.0.70"),
    ("Chiara Fonti", Some("chiara"), "NethPhone 1.2.0"),
    ("Dario Sella", Some("dario"), "Snom D735/10.1.159.12"),
    ("Elisa Monti", Some("elisa"), "Fanvil X5U 2.12.1"),
    ("Fabio Serra", Some("fabio"), "Yealink SIP-T46U 108.86.0.90"),
    ("Greta Olmi", Some("greta"), "Gigaset N670 IP PRO/83.V2.49"),
    ("Ivo Marchi", Some("ivo"), "NethPhone 1.2.0"),
    ("Lia Dotti", Some("lia"), "Snom D785/10.1.159.12"),
    ("Nora Piva", Some("nora"), "Yealink SIP-T33G 124.86.0.40"),
    ("Portineria", None, "Fanvil X7A 2.12.1"),
    ("Sala riunioni", None, "Yealink CP925 148.86.0.5"),
];

const CALLERS: [&str; 10] = [
    "Conti Forniture",
    "Studio Rossi",
    "Bruni Marta",
    "Libreria del Porto",
    "Dentisti del Lago",
    "Salvi Paolo",
    "Ceramiche Rossi",
    "Tipografia Verdi",
    "Vivai Collina",
    "",
];

pub(super) fn extensions() -> Vec<Extension> {
    (0u16..)
        .zip(PEOPLE)
        .map(|(index, (name, username, agent))| Extension {
            number: (201 + index).to_string(),
            name,
            username,
            agent,
            registered: true,
            dnd: false,
            forward: String::new(),
            mailbox: (index % 2 == 0).then_some((0, 2)),
        })
        .collect()
}

pub(super) fn queues() -> Vec<Queue> {
    let queue = |number, name, members: &[usize]| Queue {
        number,
        name,
        members: members.iter().map(|extension| member(*extension)).collect(),
        completed: 0,
        abandoned: 0,
    };
    vec![queue("401", "Assistenza", &[0, 1, 2, 3]), queue("402", "Vendite", &[5, 6, 7])]
}

fn member(extension: usize) -> Member {
    Member {
        extension,
        dynamic: extension.is_multiple_of(2),
        paused: false,
        calls: 0,
        last_call: 0,
        paused_at: 0,
        resumed_at: 0,
    }
}

pub(super) fn trunks() -> Vec<Trunk> {
    vec![
        Trunk { id: "fascio1", name: "Operatore Nord", registered: true },
        Trunk { id: "fascio2", name: "Operatore Sud (riserva)", registered: true },
    ]
}

/// Returns number and name of a random external caller; the name may be empty.
pub(super) fn external_caller(rng: &mut Rng) -> (String, String) {
    let name = CALLERS[rng.usize(0..CALLERS.len())].to_owned();
    let area = ["02", "0541", "0721"][rng.usize(0..3)];
    let number = format!("{area}000{:03}", rng.u16(0..1000));
    (number, name)
}
