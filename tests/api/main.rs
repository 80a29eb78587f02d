//! The API as people meet it: its definitions on a real API server, what that takes and what it refuses, and with which
//! sentence.

mod files;
