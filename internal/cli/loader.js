// Runs a configuration file and writes what it exports, as JSON, to descriptor 3.
(async () => {
  const fs = await import("node:fs");
  const vm = await import("node:vm");
  const { pathToFileURL } = await import("node:url");
  const { file, argv, text } = JSON.parse(process.env.TEND_CONFIG_LOAD);
  delete process.env.TEND_CONFIG_LOAD;
  process.removeAllListeners("warning"); // that types are stripped is no news
  process.argv.splice(1, process.argv.length, ...argv);
  const plain = (key, v) => typeof v === "bigint" ? String(v) : v instanceof RegExp ? v.source : v;
  const answer = (v) => { fs.writeFileSync("/dev/fd/3", JSON.stringify(v, plain)); process.exit(0); };
  try {
    let v;
    if (text !== undefined) v = new vm.Script(`(${text}\n)`, { filename: file }).runInThisContext();
    else {
      const url = pathToFileURL(file);
      const m = await import(url).catch(async (e) => { // deno takes any .js for a module
        if (!/^(module|exports|require) is not defined$/.test(e?.message)) throw e;
        return { default: (await import("node:module")).createRequire(url)(file) };
      });
      v = "default" in m ? m.default : { ...m };
      if (v?.__esModule && v.default !== undefined) v = v.default;
    }
    if (typeof v === "function") v = v();
    answer({ value: await v });
  } catch (e) {
    const frame = /(?:^|\(|\s|file:\/\/)(\/[^():\n]+):(\d+)(?::(\d+))?\)?$/m.exec(e?.stack ?? "");
    const at = e?.position ?? e?.errors?.[0]?.position;
    answer({ error: {
      code: e?.code,
      name: e?.errors || e?.name === "BuildMessage" ? "SyntaxError" : e?.name?.replace("ResolveMessage", "Error"), // bun's
      message: String(e?.errors?.[0]?.message ?? e?.message ?? e),
      file: at?.file ?? frame?.[1], line: Number(at?.line ?? frame?.[2] ?? 0), column: Number(at?.column ?? frame?.[3] ?? 0),
    } });
  }
})();
