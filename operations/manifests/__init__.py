"""What a stack declares: evaluated, rendered, drawn, compared with a commit or a cluster, judged."""
