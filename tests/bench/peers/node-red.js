// Node-RED's settings for the bench: loopback, no editor, no saved secrets, quiet.
module.exports = {
  uiPort: Number(process.env.BENCH_PORT),
  uiHost: "127.0.0.1",
  flowFile: "flows.json",
  credentialSecret: false,
  disableEditor: true,
  httpAdminRoot: false,
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
