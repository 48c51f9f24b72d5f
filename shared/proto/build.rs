//! Compiles the `.proto` files with a compiler written in Rust, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/peer.proto",
        "proto/media_events/peer.proto",
        "proto/media_events/server.proto",
        "proto/server.proto",
        "proto/agent.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    // Sound is cut and passed on without copying it.
    let sound = [".fishjam.AgentRequest.TrackData", ".fishjam.AgentResponse.TrackData"];
    prost_build::Config::new().btree_map(["."]).bytes(sound).compile_fds(descriptors)?;
    Ok(())
}
