package wire

import "embed"

// Source is this package's source: part of what identifies an agent's build.
//
//go:embed *.go
var Source embed.FS
