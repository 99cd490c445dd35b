package replay

import (
	"context"
	"sync"
)

// All replays t on all bridges at once and returns what each made of it, in
// their order. If some fail, the error is that of the first of them.
func All(ctx context.Context, bridges []Replayer, t Trace, level Level) ([]Observation, error) {
	obs := make([]Observation, len(bridges))
	errs := make([]error, len(bridges))
	var all sync.WaitGroup
	for i, b := range bridges {
		all.Go(func() { obs[i], errs[i] = b.Replay(ctx, t, level) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return obs, nil
}
