// Ctdiff-agent is PID 1 of the lab's guests. Run anywhere else, it prints which
// build it is.
package main

import "github.com/ctdiff/ctdiff/replay/agent"

func main() { agent.Main() }
