package tracefile

import "fmt"

// InputError says that what was read is not a trace, or not one that a bridge
// can be given. The fault is the input's; errors of the operating system are
// never of this type.
type InputError struct {
	// Place is where in the input the fault is, such as
	// "block 3 (byte 148)"; empty if it is nowhere in particular.
	Place string
	// Err is the reason.
	Err error
}

// Error implements error.
func (e *InputError) Error() string {
	if e.Place == "" {
		return e.Err.Error()
	}
	return e.Place + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *InputError) Unwrap() error { return e.Err }

func badInput(place, format string, args ...any) error {
	return &InputError{Place: place, Err: fmt.Errorf(format, args...)}
}
