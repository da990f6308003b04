// Search without a server: browsers refuse workers on file://, so the search worker's script runs in a hidden frame.
// The name is what the plugin `offline` looks for before it would fetch a shim of the same kind from the network.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      this.ready = new Promise((resolve) => (this.loaded = resolve))
      inside.postMessage = (data) => {
        const message = new MessageEvent("message", { data })
        this.dispatchEvent(message)
        this.onmessage?.(message)
      }
      const script = inside.document.createElement("script")
      script.src = url
      script.onload = () => this.loaded(inside)
      inside.document.body.append(script)
    }
    async postMessage(data) {
      const inside = await this.ready
      inside.dispatchEvent(new inside.MessageEvent("message", { data }))
    }
    terminate() {
      this.frame.remove()
    }
  }
