"""Django REST framework: a ModelSerializer, and generic views without an envelope."""

from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db.models import QuerySet
from django.urls import path
from django_models import Todo  # it sets Django up
from rest_framework import generics, serializers


class TodoSerializer(serializers.ModelSerializer):
    class Meta:
        model = Todo
        fields = ("id", "title", "status", "archived", "created_at", "updated_at")


class LimitSerializer(serializers.Serializer):
    offset = serializers.IntegerField(min_value=0, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class TodoList(generics.ListCreateAPIView):
    serializer_class = TodoSerializer

    def get_queryset(self) -> QuerySet[Todo]:
        page = LimitSerializer(data=self.request.query_params)
        page.is_valid(raise_exception=True)
        offset, limit = page.validated_data["offset"], page.validated_data["limit"]
        return Todo.objects.order_by("id")[offset : offset + limit]


class TodoDetail(generics.RetrieveAPIView):
    queryset = Todo.objects.all()
    serializer_class = TodoSerializer


urlpatterns: list[Any] = [
    path("api/todos", TodoList.as_view()),
    path("api/todos/<int:pk>", TodoDetail.as_view()),
]
application = get_wsgi_application()
