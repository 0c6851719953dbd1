//! The overlap of an expert and a customer by what their clients saw, from a program that shares no
//! code with the node.

use crate::driver;
use crate::place;
use serde_json::{Value, json};

/// Milliseconds; the truth lies between the two.
#[derive(Clone, Copy, Debug)]
pub struct Overlap {
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
}

/// An observation that leaves more open, in milliseconds, shows nothing.
const VAGUE_MS: f64 = 1_000.0;

/// The marks of a client, with its role.
pub fn stay(role: &str, marks: &Value) -> Value {
    json!({"role": role, "here": marks["here"], "media": marks["media"], "gone": marks["gone"]})
}

impl Overlap {
    /// How far a bill is from everything that the observation leaves open, in milliseconds. What a busy
    /// machine lets a client see late is not the bill's fault.
    pub fn off_ms(self, billed_ms: f64) -> f64 {
        (self.least - billed_ms).max(billed_ms - self.most).max(0.0)
    }
}

/// Asks the oracle.
pub fn overlap(stays: &[Value]) -> Overlap {
    let spec = Value::from(stays.to_vec()).to_string();
    let answer = driver::run("oracle.py", &place::python(), &spec);
    let number = |name: &str| answer[0][name].as_f64().expect("the oracle says a number");
    let (least, most) = (number("least"), number("most"));
    assert!(
        least > 0.0 && most - least < VAGUE_MS,
        "the observation is too vague: {least} to {most} ms of {spec}"
    );
    Overlap { least, most }
}

/// Whole milliseconds of a JSON number; no session lasts long enough to lose one.
pub fn ms(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number of milliseconds: {value}"))
}
