package symbol

import "io"

// ReadFrom is Read of what is not a file.
func ReadFrom(r io.ReaderAt) (*Table, error) { return read(r) }
