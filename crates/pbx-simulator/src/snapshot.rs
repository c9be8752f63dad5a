//! The backend's REST answers: the state of the office, as far as the account may see it.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{lock, options::Account, pbx::Pbx, profile::Profile, reply::Reply};

/// The answer to a GET of a user whose token is good.
pub(super) fn answer(pbx: &Pbx, username: &str, path: &str) -> Reply {
    let Some(account) = lock(&pbx.accounts).account(username).cloned() else { return Reply::empty(401) };
    let Profile { presence_panel, trunks, queue_agent, parkings, qmanager, operator_panel, .. } =
        account.profile;
    let world = lock(&pbx.world);
    let permitted = |permission: bool, body: String| {
        if permission { Reply::json(200, body) } else { Reply::empty(403) }
    };
    match path {
        "/user/me" => Reply::json(200, me(&account).to_string()),
        "/user/presence" => Reply::json(200, r#"{"presence":"online","to":""}"#),
        "/user/all_avatars" | "/streaming/sources" => Reply::json(200, "{}"),
        "/user/endpoints/all" => {
            let mut users = world.users();
            users.insert(account.username.clone(), user(&account));
            Reply::json(200, Value::Object(users).to_string())
        }
        "/astproxy/extensions" => Reply::json(200, world.extensions()),
        "/astproxy/queues" => permitted(queue_agent, world.queues()),
        "/astproxy/trunks" => permitted(presence_panel && trunks, world.trunks()),
        "/astproxy/parkings" => permitted(parkings, world.parkings()),
        "/astproxy/opgroups" => Reply::json(200, world.groups()),
        "/astproxy/opdata" => permitted(operator_panel, r#"{"inQueue":{},"waitingQueue":{}}"#.to_owned()),
        "/astproxy/qmanager_queues" => permitted(qmanager, world.queues()),
        "/astproxy/qalarms" => permitted(qmanager, r#"{"list":{},"status":false}"#.to_owned()),
        _ => one(&account, path, |number| world.extension(number)),
    }
}

/// Routes whose last part names the thing that is asked for.
fn one(account: &Account, path: &str, extension: impl FnOnce(&str) -> Option<String>) -> Reply {
    if let Some(number) = path.strip_prefix("/astproxy/extension/") {
        return extension(number).map_or_else(|| Reply::no_such_route(path), |body| Reply::json(200, body));
    }
    match path.strip_prefix("/astproxy/conference/") {
        Some(number) if account.extension.as_deref() == Some(number) => Reply::json(200, "{}"),
        Some(_) => Reply::empty(403),
        None => Reply::no_such_route(path),
    }
}

fn user(account: &Account) -> Value {
    let extensions: Vec<Value> = account
        .extension
        .iter()
        .map(|number| {
            // The real server shows an account its own telephone's password in clear.
            let secret = account.password.expose_secret();
            json!({"id": number, "type": "webrtc", "description": "", "secret": secret, "username": number})
        })
        .collect();
    json!({
        "name": "Service account",
        "username": account.username,
        "mainPresence": "online",
        "presence": "online",
        "presenceOnBusy": "online",
        "presenceOnUnavailable": "online",
        "recallOnBusy": "disabled",
        "endpoints": {
            "mainextension": account.extension.iter().map(|id| json!({"id": id, "description": ""})).collect::<Vec<_>>(),
            "extension": extensions,
            "email": [], "cellphone": [], "voicemail": [], "jabber": [],
        },
    })
}

fn me(account: &Account) -> Value {
    let mut me = user(account);
    me["profile"] = account.profile.json();
    me["default_device"] = json!({});
    me["settings"] = json!({});
    me
}
