// Two peer connections of this page, relay candidates only, exchange messages over a data channel.
// The function body of a WebDriver script: arguments[0] is the iceServers list, the promised value the report.
const iceServers = arguments[0];
const MESSAGES = 50;
const LIMIT_MS = 20000;

return (async () => {
    const complaints = [];
    const [caller, callee] = ["caller", "callee"].map((name) => {
        const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
        peer.onicecandidateerror = (event) =>
            complaints.push(`${name}: ICE error ${event.errorCode} ${event.errorText} at ${event.url}`);
        peer.onconnectionstatechange = () => complaints.push(`${name}: ${peer.connectionState}`);
        return peer;
    });
    caller.onicecandidate = (event) => event.candidate && callee.addIceCandidate(event.candidate);
    callee.onicecandidate = (event) => event.candidate && caller.addIceCandidate(event.candidate);

    callee.ondatachannel = ({ channel }) => {
        channel.onmessage = ({ data }) => channel.send(data);
    };
    const channel = caller.createDataChannel("echo");
    const echoed = new Promise((resolve) => {
        let expected = 0;
        const ping = () => channel.send(`ping ${expected}`.padEnd(1000, "."));
        channel.onopen = ping;
        channel.onmessage = ({ data }) => {
            if (!data.startsWith(`ping ${expected}.`)) {
                complaints.push(`unexpected message ${data.slice(0, 20)}`);
            }
            expected += 1;
            expected < MESSAGES ? ping() : resolve(true);
        };
    });

    await caller.setLocalDescription();
    await callee.setRemoteDescription(caller.localDescription);
    await callee.setLocalDescription();
    await caller.setRemoteDescription(callee.localDescription);

    const limit = new Promise((resolve) => setTimeout(resolve, LIMIT_MS, false));
    const completed = await Promise.race([echoed, limit]);
    const candidates = completed ? await Promise.all([caller, callee].map(selectedLocalCandidate)) : [];
    caller.close();
    callee.close();
    return { completed, messages: MESSAGES, candidates, complaints };
})();

// Messages may flow before the controlled side has learned which pair is nominated.
async function selectedLocalCandidate(peer) {
    for (;;) {
        const stats = [...(await peer.getStats()).values()];
        const pair = stats.find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
        const local = pair && stats.find(({ id }) => id === pair.localCandidateId);
        if (local) {
            return { type: local.candidateType, relayProtocol: local.relayProtocol };
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}
